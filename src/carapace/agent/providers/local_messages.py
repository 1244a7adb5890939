"""From a conversation of the gateway to plain messages that a small model can follow. Pure."""

from __future__ import annotations

import re

from carapace.agent.providers.local_wire import ChatMessage
from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    ModelRequest,
    TextPart,
    ToolResult,
)

__all__ = ["chat_messages", "question"]

# Chat messages carry their id for larger models; here it only hides what was asked.
_MESSAGE_ID = re.compile(r"\n\[message_id: [^\]\n]*\]$")
_NO_SIGHT = "[a picture, which this model cannot see]"


def chat_messages(request: ModelRequest) -> tuple[ChatMessage, ...]:
    """System prompt and conversation as text.

    Tool results become words of the user, since the models know no other way, and repeat the
    question, since the models lose it. Those of earlier questions are left out: the answers
    have what was in them. So are the calls themselves, which would be imitated as text.
    """
    messages = [ChatMessage("system", request.system)] if request.system else []
    newest = max((at for at, one in enumerate(request.messages) if one.role == "user"), default=-1)
    asked = _text(request.messages[newest], "") if newest >= 0 else ""
    for at, message in enumerate(request.messages):
        if message.role == "tool" and at < newest:
            continue
        if text := _text(message, asked):
            role = "assistant" if message.role == "assistant" else "user"
            messages.append(ChatMessage(role, text))
    return tuple(messages)


def _text(message: ModelMessage, asked: str) -> str:
    pieces: list[str] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            pieces.append(_MESSAGE_ID.sub("", part.text))
        elif isinstance(part, ImagePart):
            pieces.append(_NO_SIGHT)
        elif isinstance(part, ToolResult):
            pieces.append(_result(part, asked))
    return "\n".join(piece for piece in pieces if piece)


def _result(result: ToolResult, asked: str) -> str:
    if result.is_error:
        return f"({result.name} failed: {result.text})\nTell me so in one sentence."
    told = f"({result.name} says: {result.text})\n"
    # An order that is repeated comes back as it was.
    is_question = asked.rstrip().endswith("?")
    return told + (
        f"With this, answer: {asked}" if is_question else "Tell me that, in a short answer."
    )


def question(request: ModelRequest) -> str | None:
    """What the user just asked, or None if the conversation ends with something else."""
    if not request.messages or request.messages[-1].role != "user":
        return None
    return _text(request.messages[-1], "") or None
