"""Which messages of a chat are ours: an answer to one of them is meant for us.

In memory and bounded, read from the outbox at start. What is forgotten costs a mention, never a
message.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from carapace.channels.types import Target
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["SentIds", "SentMessage", "sent_since"]

_MAX_CONVERSATIONS: Final = 2_000
_MAX_EACH: Final = 200
_MAX_READ: Final = 20_000
_NONE: Final[Mapping[str, int]] = {}


class SentMessage(Value, frozen=True, kw_only=True):
    """Something of ours that a service has."""

    target: Target
    message_id: str
    sent_at_ms: int


def sent_since(tx: Tx, since_ms: int) -> list[SentMessage]:
    """What arrived since then, oldest first; the latest 20,000 at most."""
    rows = tx.all(
        "SELECT channel, account, conversation, message_id, ended_at_ms FROM outbox"
        " WHERE state = 'delivered' AND ended_at_ms >= ? AND message_id IS NOT NULL"
        " ORDER BY ended_at_ms DESC LIMIT ?",
        (since_ms, _MAX_READ),
    )
    return [
        SentMessage(
            target=Target(
                channel=row["channel"], account=row["account"], conversation=row["conversation"]
            ),
            message_id=row["message_id"],
            sent_at_ms=row["ended_at_ms"],
        )
        for row in reversed(rows)
    ]


class SentIds:
    """The ids under which services keep what we sent, by conversation; the oldest go first."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, str, str], OrderedDict[str, int]] = OrderedDict()

    def note(self, target: Target, message_id: str, *, now_ms: int) -> None:
        """We sent `message_id` there."""
        place = (target.channel, target.account, target.conversation)
        ids = self._places.setdefault(place, OrderedDict())
        self._places.move_to_end(place)
        ids[message_id] = now_ms
        ids.move_to_end(message_id)
        if len(ids) > _MAX_EACH:
            ids.popitem(last=False)
        if len(self._places) > _MAX_CONVERSATIONS:
            self._places.popitem(last=False)

    def of(self, channel: str, account: str, conversation: str) -> Mapping[str, int]:
        """Our messages there, with the time in milliseconds when each was sent."""
        return self._places.get((channel, account, conversation), _NONE)
