"""From a conversation of the gateway to plain messages that a small model can follow. Pure."""

from __future__ import annotations

from carapace.agent.providers.local_wire import ChatMessage
from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    ModelRequest,
    TextPart,
    ToolResult,
)

__all__ = ["chat_messages", "question"]

_NO_SIGHT = "[a picture, which this model cannot see]"


def chat_messages(request: ModelRequest) -> tuple[ChatMessage, ...]:
    """System prompt and conversation as text.

    Tool results become words of the user, since the models know no other way; the calls
    themselves are left out, since they would be imitated as text.
    """
    messages = [ChatMessage("system", request.system)] if request.system else []
    for message in request.messages:
        if text := _text(message):
            role = "assistant" if message.role == "assistant" else "user"
            messages.append(ChatMessage(role, text))
    return tuple(messages)


def _text(message: ModelMessage) -> str:
    pieces: list[str] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            pieces.append(part.text)
        elif isinstance(part, ImagePart):
            pieces.append(_NO_SIGHT)
        elif isinstance(part, ToolResult):
            pieces.append(_result(part))
    return "\n".join(piece for piece in pieces if piece)


def _result(result: ToolResult) -> str:
    if result.is_error:
        return f"({result.name} failed: {result.text})\nTell me so in one sentence."
    return f"(From {result.name}: {result.text})\nAnswer my message with this."


def question(request: ModelRequest) -> str | None:
    """What the user just asked, or None if the conversation ends with something else."""
    if not request.messages or request.messages[-1].role != "user":
        return None
    return _text(request.messages[-1]) or None
