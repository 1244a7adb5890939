"""What the outbox keeps of a message: its row, its attempts, and how both are asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from carapace.channels.types import Outgoing
from carapace.provenance import Provenance
from carapace.value import Value

__all__ = [
    "MAX_PAGE",
    "AccountKey",
    "Attempt",
    "AttemptOutcome",
    "Cause",
    "OutboxCounts",
    "OutboxPage",
    "OutboxQuery",
    "OutboxRow",
    "OutboxState",
    "Queued",
]

MAX_PAGE: Final = 200
"""Most rows of one page."""

AccountKey = tuple[str, str]
"""Channel and account."""


class OutboxState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"  # no attempt can have arrived
    SENDING = "sending"  # taken; the channel is, or will at once be, asked
    UNKNOWN = "unknown"  # waits, and an earlier attempt may have arrived
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; `Cause` and the reason say why


class Cause(StrEnum):
    """Why a message is dead."""

    REFUSED = "refused"  # the service will never take it
    EXPIRED = "expired"  # its time to live passed
    EXHAUSTED = "exhausted"  # too many attempts failed
    FOLLOWED = "followed"  # an earlier part of the same answer is dead
    CANCELLED = "cancelled"  # a hook stopped it
    DROPPED = "dropped"  # a person dropped it
    UNREADABLE = "unreadable"  # its row, or the context it needs, cannot be read


class AttemptOutcome(StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    UNKNOWN = "unknown"
    DEAD = "dead"


class OutboxRow(Value, frozen=True, kw_only=True):
    """A message as it stands on disk.

    Attributes:
        outbox_id: Grows; within a conversation it is the order.
        outgoing: What the channel is asked; None if the row cannot be read.
        provenance: Of the words; None if it cannot be read.
        run_id: The turn that wrote it, if one.
        part_of: Shared by the parts of one answer.
        state: Where it stands.
        attempts: How often it was given to the channel.
        failures: How many of these failed since it last was put or retried by a person.
        fence: Grows with every take; a result that names an older one is not written.
        may_be_repeat: An earlier attempt may have arrived.
        is_screened: The hooks have seen it, and `outgoing` is what they made of it.
        next_at_ms: Not before; meaningful while it waits.
        taken_at_ms: When it was last given to the channel.
        message_id: The service's id, once delivered.
        cause: Why it is dead.
        reason: The last trouble, for people.
    """

    outbox_id: int
    idempotency_key: str
    channel: str
    account: str
    conversation: str
    outgoing: Outgoing | None
    provenance: Provenance | None
    run_id: str | None
    part_of: str | None
    state: OutboxState
    attempts: int
    failures: int
    fence: int
    may_be_repeat: bool
    is_screened: bool
    next_at_ms: int
    created_at_ms: int
    expires_at_ms: int
    taken_at_ms: int | None = None
    ended_at_ms: int | None = None
    message_id: str | None = None
    cause: Cause | None = None
    reason: str | None = None

    @property
    def account_key(self) -> AccountKey:
        """Which account sends it."""
        return self.channel, self.account


class Attempt(Value, frozen=True, kw_only=True):
    """One attempt that has ended."""

    attempt: int
    started_at_ms: int
    ended_at_ms: int
    outcome: AttemptOutcome
    reason: str | None = None


class Queued(Value, frozen=True, kw_only=True):
    """The answer to `put`.

    Attributes:
        outbox_id: The row that has the key.
        is_new: False if the key was there already; nothing was changed then.
    """

    outbox_id: int
    is_new: bool


class OutboxQuery(Value, frozen=True, kw_only=True):
    """Which rows, newest first.

    Attributes:
        state: Only these; None is every state.
        channel: Only of this channel.
        account: Only of this account.
        conversation: Only of this conversation.
        before_id: Only older rows; the `next_before_id` of the page before.
        limit: 1 to `MAX_PAGE`.
    """

    state: OutboxState | None = None
    channel: str | None = None
    account: str | None = None
    conversation: str | None = None
    before_id: int | None = None
    limit: int = 50


class OutboxPage(Value, frozen=True, kw_only=True):
    """Rows, and where the next page begins (None at the end)."""

    rows: tuple[OutboxRow, ...]
    next_before_id: int | None


class OutboxCounts(Value, frozen=True, kw_only=True):
    """How much is in the outbox.

    Attributes:
        waiting: Rows that are not ended, being sent or not.
        sending: Of these, given to a channel just now.
        unknown: Of these, perhaps arrived already.
        dead: Given up and still kept.
        oldest_at_ms: When the oldest open row was put; None if there is none.
        by_account: Open rows of each account.
    """

    waiting: int
    sending: int
    unknown: int
    dead: int
    oldest_at_ms: int | None
    by_account: dict[AccountKey, int]
