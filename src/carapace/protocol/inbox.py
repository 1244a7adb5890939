"""Messages that came in from chats, as clients see them: `inbox.*`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "InboxItem",
    "InboxList",
    "InboxListing",
    "InboxReplay",
    "InboxReplayed",
    "InboxStateName",
]

InboxStateName = Literal["waiting", "working", "done", "dead"]
_Id = Annotated[int, Meta(ge=1)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class InboxList(_In):
    """Params of `inbox.list`: which messages, newest first."""

    state: InboxStateName | None = None
    channel: _Name | None = None
    account_id: _Name | None = None
    before_id: _Id | None = None
    limit: Annotated[int, Meta(ge=1, le=200, description="How many at most.")] = 50


class InboxReplay(_In):
    """Params of `inbox.replay`: a message that was given up is worked on once more."""

    id: _Id


class InboxItem(_Out, kw_only=True):
    """One message.

    Attributes:
        text: Its beginning; absent once its body was let go.
        attempts: How many turns began for it.
        reason: Why it was given up.
    """

    id: int
    channel: str
    account_id: str
    conversation: str
    message_id: str
    state: InboxStateName
    text: str | None = None
    sender_id: str | None = None
    run_id: str | None = None
    attempts: int
    received_at_ms: int
    ended_at_ms: int | None = None
    reason: str | None = None


class InboxListing(_Out, kw_only=True):
    """The answer to `inbox.list`, with how much is in the inbox altogether."""

    items: list[InboxItem]
    next_before_id: int | None = None
    waiting: int
    working: int
    dead: int


class InboxReplayed(_Out, kw_only=True):
    """The answer to `inbox.replay`."""

    ok: bool
    item: InboxItem
