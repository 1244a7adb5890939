"""The shapes of `/v1/chat/completions` and `/v1/models`.

A decoded body in, a conversation out; an outcome in, a body out. Programs written for other
servers send many fields that mean nothing here; they are ignored, not refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec

from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    TextPart,
    ToolCall,
    ToolResult,
)
from carapace.agent.types import RunOutcome, RunState, Submission
from carapace.errors import Refused
from carapace.protocol.agent import PendingToolCall, TokenUsage
from carapace.server.openai_conversation import MODEL_BRANDS, calls_by_id
from carapace.server.openai_files import FileSource, PromptFiles
from carapace.value import Value

__all__ = [
    "UNCALLED",
    "ChatRequest",
    "Completion",
    "Finish",
    "chunk",
    "completion",
    "conversation",
    "decode_request",
    "failure_of",
    "finish_of",
    "model_list",
    "model_row",
    "obeyed",
    "pending_of",
    "text_of",
    "tool_chunk",
    "usage_chunk",
    "usage_of",
]

Finish = Literal["stop", "length", "tool_calls", "content_filter"]
UNCALLED: Final = (
    "tool_choice: the model answered in words although it had to call a tool, so it or its server "
    "cannot be made to: send tool_choice auto, or have the agent use another model"
)
"""What a program is told when a forced call did not come."""

_ZERO: Final = TokenUsage(input=0, output=0, cache_read=0, cache_write=0, total=0)
_FINISH: Final[dict[str | None, Finish]] = {
    "tool_calls": "tool_calls",
    "length": "length",
    "filtered": "content_filter",
}


class CalledFunction(msgspec.Struct):
    """Which function, with JSON text."""

    name: str
    arguments: str = "{}"


class CalledTool(msgspec.Struct):
    """A call in an earlier answer."""

    id: str
    function: CalledFunction


class ChatMessage(msgspec.Struct):
    """One message; `content` is text, or a list of parts of which texts and pictures count."""

    role: str = ""
    content: Any = None
    tool_calls: list[CalledTool] | None = None
    tool_call_id: str = ""
    name: str | None = None


class StreamOptions(msgspec.Struct):
    """Options of a stream."""

    include_usage: bool | None = False


class ChatRequest(msgspec.Struct):
    """Body of POST /v1/chat/completions."""

    messages: list[ChatMessage] = []
    model: str = "carapace"
    stream: bool | None = False
    user: str | None = None
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None


class Completion(Value, frozen=True):
    """What all parts of one answer share."""

    id: str
    model: str
    created: int


_DECODER: Final = msgspec.json.Decoder(ChatRequest)


def decode_request(body: bytes) -> ChatRequest:
    """The body.

    Raises:
        Refused: It is not JSON, or a field is of the wrong type.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is not a chat request: {error}") from None


async def conversation(
    messages: Sequence[ChatMessage], files: PromptFiles
) -> tuple[list[ModelMessage], str]:
    """What was said, and the texts of the system and developer messages.

    Raises:
        Refused: If a picture cannot be had.
    """
    said: list[ModelMessage] = []
    system: list[str] = []
    for message in messages:
        if message.role in ("system", "developer"):
            system.append(_text(message.content))
        elif message.role == "user":
            said.append(ModelMessage("user", await _parts(message.content, files)))
        elif message.role == "assistant":
            said.append(_answer(message))
        elif message.role == "tool":
            name = calls_by_id(said).get(message.tool_call_id, message.name or "")
            result = ToolResult(message.tool_call_id, name, _text(message.content))
            said.append(ModelMessage("tool", (result,)))
    return said, "\n\n".join(text for text in system if text)


def _answer(message: ChatMessage) -> ModelMessage:
    text = _text(message.content)
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or ()
    )
    return ModelMessage("assistant", ((TextPart(text),) if text else ()) + calls)


async def _parts(content: Any, files: PromptFiles) -> tuple[TextPart | ImagePart, ...]:
    if not isinstance(content, list):
        text = _text(content)
        return (TextPart(text),) if text else ()
    found: list[TextPart | ImagePart] = []
    for part in cast("list[Any]", content):
        row = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        if row.get("type") == "image_url":
            found.append(await files.image(FileSource(url=_image_url(row))))
        elif isinstance(row.get("text"), str):
            found.append(TextPart(row["text"]))
    return tuple(found)


def _image_url(part: dict[str, Any]) -> str:
    given = part.get("image_url")
    url = cast("dict[str, Any]", given).get("url") if isinstance(given, dict) else given
    if not isinstance(url, str):
        raise Refused("image_url: an object with a url is needed")
    return url


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts: list[str] = []
    for part in cast("list[Any]", content):
        text: Any = cast("dict[str, Any]", part).get("text") if isinstance(part, dict) else None
        if isinstance(text, str):
            texts.append(text)
    return "\n".join(texts)


def completion(head: Completion, outcome: RunOutcome) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    calls = pending_of(outcome)
    message: dict[str, object] = {"role": "assistant", "content": text_of(outcome)}
    if calls:
        message["content"] = text_of(outcome) or None
        message["tool_calls"] = [_called(call) for call in calls]
    choice = {"index": 0, "message": message, "finish_reason": finish_of(outcome)}
    return {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [choice],
        "usage": usage_of(outcome),
    }


def chunk(
    head: Completion, delta: dict[str, Any], finish_reason: Finish | None = None
) -> dict[str, object]:
    """One part of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
        "choices": [choice],
    }


def tool_chunk(head: Completion, calls: Sequence[PendingToolCall]) -> dict[str, object]:
    """The part of a stream that says which tools the caller shall run."""
    rows = [{"index": at, **_called(call)} for at, call in enumerate(calls)]
    return chunk(head, {"tool_calls": rows})


def usage_chunk(head: Completion, outcome: RunOutcome) -> dict[str, object]:
    """The last part of a stream that asked for usage."""
    return {**chunk(head, {}), "choices": [], "usage": usage_of(outcome)}


def model_list(agent_ids: Sequence[str], created: int) -> dict[str, object]:
    """Body of GET /v1/models: each agent is a model."""
    names = ["carapace", *(f"carapace:{agent_id}" for agent_id in agent_ids)]
    return {"object": "list", "data": [_model(name, created) for name in names]}


def model_row(name: str, agent_ids: Sequence[str], created: int) -> dict[str, object] | None:
    """Body of GET /v1/models/NAME; None if that name picks no agent."""
    brand, _, agent_id = name.replace("/", ":", 1).partition(":")
    if brand.lower() not in MODEL_BRANDS or (agent_id and agent_id not in agent_ids):
        return None
    return _model(name, created)


def _model(name: str, created: int) -> dict[str, object]:
    return {"id": name, "object": "model", "created": created, "owned_by": "carapace"}


def text_of(outcome: RunOutcome) -> str:
    """The whole answer as text."""
    if outcome.result is None:
        return ""
    return "\n\n".join(payload.text for payload in outcome.result.payloads if payload.text)


def failure_of(outcome: RunOutcome) -> tuple[int, str] | None:
    """Status and text if there is no answer: our own failure, or the model's refusal.

    To chat clients a refusal is the answer; a program must be able to tell the two apart.
    """
    if outcome.error == UNCALLED:
        return 400, UNCALLED
    if outcome.status == "error":
        return 500, outcome.error or outcome.summary
    if outcome.state is RunState.ERROR:
        payloads = outcome.result.payloads if outcome.result else ()
        return 502, payloads[-1].text if payloads else outcome.summary
    return None


def obeyed(submission: Submission, outcome: RunOutcome) -> RunOutcome:
    """The outcome; a failure if a call was forced and the model came to an end without one."""
    is_free = submission.forced_call is None or outcome.state is not RunState.DONE
    if is_free or pending_of(outcome) or finish_of(outcome) != "stop":
        return outcome
    return msgspec.structs.replace(outcome, status="error", error=UNCALLED, summary=UNCALLED)


def finish_of(outcome: RunOutcome) -> Finish:
    """Why the answer ended."""
    reason = outcome.result.meta.stop_reason if outcome.result else None
    return _FINISH.get(reason, "stop")


def pending_of(outcome: RunOutcome) -> tuple[PendingToolCall, ...]:
    """Tools the caller shall run."""
    return outcome.result.meta.pending_tool_calls if outcome.result else ()


def usage_of(outcome: RunOutcome) -> dict[str, int]:
    """Tokens of the model's last request, cached ones included."""
    used = outcome.result.meta.agent_meta.usage if outcome.result else _ZERO
    prompt = used.input + used.cache_read + used.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": used.output,
        "total_tokens": prompt + used.output,
    }


def _called(call: PendingToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}
