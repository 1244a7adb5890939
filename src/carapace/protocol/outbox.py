"""Messages on their way out, as clients see them: `outbox.*` and `send`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "OutboxAttempt",
    "OutboxChanged",
    "OutboxDetail",
    "OutboxDrop",
    "OutboxGet",
    "OutboxItem",
    "OutboxList",
    "OutboxListing",
    "OutboxRetry",
    "OutboxStateName",
    "SendParams",
    "SendQueued",
]

OutboxStateName = Literal["waiting", "sending", "unknown", "delivered", "dead"]
_Id = Annotated[int, Meta(ge=1)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class OutboxList(_In):
    """Params of `outbox.list`: which messages, newest first."""

    state: OutboxStateName | None = None
    channel: _Name | None = None
    account_id: _Name | None = None
    conversation: _Name | None = None
    before_id: _Id | None = None
    limit: Annotated[int, Meta(ge=1, le=200, description="How many at most.")] = 50


class OutboxGet(_In):
    """Params of `outbox.get`."""

    id: _Id


class OutboxRetry(_In):
    """Params of `outbox.retry`."""

    id: _Id


class OutboxDrop(_In):
    """Params of `outbox.drop`."""

    id: _Id
    reason: Annotated[str, Meta(max_length=200)] | None = None


class OutboxItem(_Out, kw_only=True):
    """One message.

    Attributes:
        kind: `message`, `edit`, `delete` or `reaction`.
        text: Its beginning.
        may_be_repeat: An earlier attempt may have arrived.
        cause: Why it is dead.
        reason: The last trouble, for people.
    """

    id: int
    channel: str
    account_id: str
    conversation: str
    state: OutboxStateName
    kind: str | None = None
    text: str | None = None
    run_id: str | None = None
    attempts: int
    may_be_repeat: bool = False
    created_at_ms: int
    expires_at_ms: int
    next_at_ms: int | None = None
    ended_at_ms: int | None = None
    message_id: str | None = None
    cause: str | None = None
    reason: str | None = None


class OutboxListing(_Out, kw_only=True):
    """The answer to `outbox.list`, with how much is in the outbox altogether."""

    items: list[OutboxItem]
    next_before_id: int | None = None
    waiting: int
    sending: int
    unknown: int
    dead: int
    oldest_at_ms: int | None = None


class OutboxAttempt(_Out, kw_only=True):
    """One attempt that has ended."""

    attempt: int
    started_at_ms: int
    ended_at_ms: int
    outcome: str
    reason: str | None = None


class OutboxDetail(_Out, kw_only=True):
    """The answer to `outbox.get`."""

    item: OutboxItem
    attempts: list[OutboxAttempt]


class OutboxChanged(_Out, kw_only=True):
    """The answer to `outbox.retry` and `outbox.drop`."""

    ok: bool
    item: OutboxItem


class SendParams(_In, kw_only=True):
    """Params of `send`: one message to a chat, without the agent.

    Attributes:
        to: The conversation's id on its service.
        message: The text; it may be empty beside files.
        idempotency_key: The same key again sends nothing more.
        channel: Which service.
        account_id: Which of our accounts there; the default one without.
        media_url: A public https address of a file to send along; fetched before the answer.
        media_urls: More of them.
        session_key: The conversation's session, if it should remember the message.
    """

    to: _Name
    message: Annotated[str, Meta(max_length=100_000)]
    idempotency_key: _Name
    channel: _Name | None = None
    account_id: _Name | None = None
    media_url: Annotated[str, Meta(max_length=4_096)] | None = None
    media_urls: Annotated[tuple[str, ...], Meta(max_length=10)] = ()
    gif_playback: bool = False
    session_key: _Name | None = None


class PollParams(_In, kw_only=True):
    """Params of `poll`: a question with answers to choose from, to a chat.

    Attributes:
        to: The conversation's id on its service.
        max_selections: How many answers one person may choose; one without it.
        duration_hours: No channel ends a poll by itself yet, so this is refused.
        idempotency_key: The same key again sends nothing more.
        channel: Which service.
        account_id: Which of our accounts there; the default one without.
    """

    to: _Name
    question: Annotated[str, Meta(min_length=1, max_length=1_024)]
    options: Annotated[tuple[_Name, ...], Meta(min_length=2, max_length=12)]
    max_selections: Annotated[int, Meta(ge=1, le=12)] = 1
    duration_hours: Annotated[int, Meta(ge=1)] | None = None
    idempotency_key: _Name
    channel: _Name | None = None
    account_id: _Name | None = None


class SendQueued(_Out, kw_only=True):
    """The answer to `send` and `poll`: it is on disk and on its way.

    Attributes:
        message_id: Of the outbox; the service's own id is in `outbox.get` once it has it.
    """

    run_id: str
    message_id: str
    channel: str
    queued: bool
