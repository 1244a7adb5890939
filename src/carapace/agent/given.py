"""What a caller brings along with its message: what was said before, and results of its tools.

Programs that speak to OpenAI's API keep a conversation themselves and send it whole each time.
A session that has nothing yet takes it over, so that it reads like any other afterwards; one
that has something remembers by itself, and is given only what it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from carapace.agent.providers.ports import ImagePart, ModelMessage, TextPart, ToolCall, ToolResult
from carapace.agent.tools.runner import arguments_of
from carapace.agent.types import Submission
from carapace.errors import Refused
from carapace.sessions import records as session_records
from carapace.sessions import transcripts
from carapace.sessions.types import StoredMessage
from carapace.store.ports import Tx

__all__ = ["MAX_EARLIER", "write_given"]

MAX_EARLIER: Final = 400
_LOOK_BACK: Final = 100
# No mark of a question in it: these stay where they were written (`history.in_turn_order`).
_OWNER: Final = ".given"


def write_given(tx: Tx, asked: Submission, session_id: str, now_ms: int) -> bool:
    """Write down what came along with a message, before it; whether that begins the transcript.

    Raises:
        Refused: If a result answers a call that neither the session nor the caller knows.
    """
    is_empty = not transcripts.has_messages(tx, session_id)
    wanted = {result.call_id for result in asked.tool_results}
    messages: list[ModelMessage] = []
    if is_empty or (wanted and not wanted <= _calls(tx, session_id)):
        messages += asked.earlier[-MAX_EARLIER:]
        unknown = wanted - _calls_of(messages)
        if unknown:
            raise Refused(f"no tool was called with the id {min(unknown)[:100]!r}")
    if asked.tool_results:
        messages.append(ModelMessage("tool", asked.tool_results))
    rows = [row for message in messages for row in _rows(message)]
    for number, (role, content, extra) in enumerate(rows, 1):
        message_id = f"{asked.run_id}{_OWNER}/{number}"
        stored = StoredMessage(message_id, role, content, now_ms, **extra)
        session_records.append_message(tx, session_id, stored)
    return is_empty and bool(rows)


def _calls(tx: Tx, session_id: str) -> set[str]:
    """Ids of the tool calls in the newest messages of a transcript."""
    rows = transcripts.tail(tx, session_id, limit=_LOOK_BACK)
    return {
        str(part.get("id"))
        for message in transcripts.messages_of(rows)
        for part in message.content
        if part.get("type") == "toolCall"
    }


def _calls_of(messages: list[ModelMessage]) -> set[str]:
    return {part.id for message in messages for part in message.parts if isinstance(part, ToolCall)}


_Row = tuple[Any, tuple[dict[str, Any], ...], dict[str, Any]]


def _rows(message: ModelMessage) -> Iterator[_Row]:
    """Role, content and other fields of what is stored for a message."""
    if message.role != "tool":
        content = tuple(
            _content(part) for part in message.parts if not isinstance(part, ToolResult)
        )
        if content:
            yield message.role, content, {}
        return
    for part in message.parts:
        if isinstance(part, ToolResult):
            fields = {
                "tool_call_id": part.call_id,
                "tool_name": part.name,
                "is_error": part.is_error,
            }
            yield "toolResult", ({"type": "text", "text": part.text},), fields


def _content(part: TextPart | ImagePart | ToolCall) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "image", "data": part.data, "mimeType": part.mime_type}
    return {"type": "toolCall", "id": part.id, "name": part.name, "arguments": arguments_of(part)}
