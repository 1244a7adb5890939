"""Wire types of `chat.send`, `chat.abort`, `chat.inject` and the `chat` event.

`chat.history` is in `carapace.protocol.sessions`: it reads what the sessions keep.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from carapace.protocol.agent import Attachment

__all__ = [
    "ChatAbort",
    "ChatAborted",
    "ChatEvent",
    "ChatInject",
    "ChatInjected",
    "ChatMessage",
    "ChatSend",
    "ChatStarted",
    "ChatText",
    "ChatUsage",
]

NonEmpty = Annotated[str, Meta(min_length=1)]
SessionKeyText = Annotated[str, Meta(min_length=1, max_length=512)]
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=256)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What comes in: camel case, nothing unknown."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What goes out: camel case, absent rather than null."""


class ChatSend(_In, frozen=True):
    """Params of `chat.send`; the idempotency key becomes the run id."""

    session_key: SessionKeyText
    message: str
    idempotency_key: IdempotencyKey
    thinking: str | None = None
    deliver: bool | None = None
    attachments: tuple[Attachment, ...] = ()
    timeout_ms: Annotated[int, Meta(ge=0)] | None = None


class ChatStarted(_Out, frozen=True):
    """Answer of `chat.send`; for a key whose run has ended, its status and summary."""

    run_id: str
    status: Literal["started", "in_flight", "ok", "error"]
    summary: str | None = None


class ChatAbort(_In, frozen=True):
    """Params of `chat.abort`; without a run id all runs of the session end."""

    session_key: SessionKeyText
    run_id: NonEmpty | None = None


class ChatAborted(_Out, frozen=True):
    """Answer of `chat.abort`, and of `chat.send` with a stop word."""

    ok: bool
    aborted: bool
    run_ids: tuple[str, ...]


class ChatInject(_In, frozen=True):
    """Params of `chat.inject`."""

    session_key: SessionKeyText
    message: NonEmpty
    label: Annotated[str, Meta(max_length=100)] | None = None


class ChatInjected(_Out, frozen=True):
    """Answer of `chat.inject`."""

    ok: bool
    message_id: str


class ChatText(_Out, frozen=True, tag_field="type", tag="text"):
    """The one kind of content a chat event carries."""

    text: str


class ChatUsage(_Out, frozen=True):
    """Tokens of a message that no model wrote: zeros."""

    input: int
    output: int
    total_tokens: int


class ChatMessage(_Out, frozen=True):
    """An assistant's message as a chat shows it; a delta's text holds all text so far."""

    role: Literal["assistant"]
    content: tuple[ChatText, ...]
    timestamp: int
    stop_reason: str | None = None
    usage: ChatUsage | None = None


class ChatEvent(_Out, frozen=True):
    """Payload of the `chat` event; `seq` is that of the run's `agent` event."""

    run_id: str
    session_key: str
    seq: int
    state: Literal["delta", "final", "aborted", "error"]
    message: ChatMessage | None = None
    error_message: str | None = None
    stop_reason: str | None = None
