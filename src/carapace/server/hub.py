"""Who hears what the gateway says unasked.

An event is encoded once; each connection adds only its own number. A client that is behind
misses what may be missed and is closed over the rest (1008), so that nobody waits for it. A
missed event still takes its number: the jump tells the client to look again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from carapace.auth.types import Caller
from carapace.ids import ConnId
from carapace.protocol.events import EVENTS, Event, EventRow
from carapace.protocol.frames import event_parts
from carapace.protocol.scopes import Role
from carapace.server.ports import Member
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.metrics import Metrics

__all__ = ["SLOW_CONSUMER", "Followers", "Hub"]

SLOW_CONSUMER: Final = "slow consumer"
_POLICY: Final = 1008
_NOBODY: Final = frozenset[ConnId]()

Followers = Callable[[Event], frozenset[ConnId]]
"""Nodes that hear an event because they follow its session, besides whom it is for anyway."""


def _nobody(event: Event) -> frozenset[ConnId]:
    del event
    return _NOBODY


class Hub:
    """The admitted connections.

    Args:
        metrics: Counts connections, frames, dropped bytes and closed slow clients.
        audit: Told of every client closed for being slow.
        followers: Says which nodes hear an event that is not addressed to anybody.
        stall_timeout_s: How long a client may leave waiting bytes untouched.
    """

    def __init__(
        self,
        *,
        metrics: Metrics,
        audit: Audit,
        followers: Followers = _nobody,
        stall_timeout_s: float = 30.0,
    ) -> None:
        self._members: dict[ConnId, Member] = {}
        self._metrics = metrics
        self._audit = audit
        self._followers = followers
        self._stall_timeout_s = stall_timeout_s

    def __len__(self) -> int:
        return len(self._members)

    @property
    def callers(self) -> Iterable[Caller]:
        """Who is connected."""
        return tuple(member.caller for member in self._members.values())

    def join(self, member: Member) -> None:
        """From now on `member` hears events."""
        self._members[member.caller.conn_id] = member
        self._metrics.ws_connections.labels(str(member.caller.role)).inc()

    def leave(self, member: Member) -> None:
        """`member` is gone; doing it twice is harmless."""
        if self._members.pop(member.caller.conn_id, None) is not None:
            self._metrics.ws_connections.labels(str(member.caller.role)).dec()

    def publish(self, event: Event) -> None:
        """Tell everybody who may hear `event`.

        Raises:
            KeyError: If `event` is of no declared kind.
        """
        row = EVENTS[event.name]
        drop = row.drop_if_slow if event.drop_if_slow is None else event.drop_if_slow
        is_addressed = event.only is not None
        followers = _NOBODY if is_addressed else self._followers(event)
        parts: bytes | None = None
        for member in self._audience(event):
            is_meant = is_addressed or member.caller.conn_id in followers
            if not _may_hear(member.caller, row, is_meant=is_meant):
                continue
            if parts is None:
                parts = event_parts(event.name, event.payload, event.state_version)
            self._tell(member, parts, drop=drop)

    def close(self, predicate: Callable[[Caller], bool], reason: str) -> None:
        """Close every connection whose caller matches, with 1008."""
        for member in tuple(self._members.values()):
            if predicate(member.caller):
                member.close(_POLICY, reason)

    def close_all(self, code: int, reason: str) -> None:
        """Close everybody."""
        for member in tuple(self._members.values()):
            member.close(code, reason)

    def sweep(self) -> None:
        """Close clients that have left their bytes untouched for too long."""
        for member in tuple(self._members.values()):
            if member.stalled_s > self._stall_timeout_s:
                self._drop(member)

    def _audience(self, event: Event) -> tuple[Member, ...]:
        if event.only is None:
            return tuple(self._members.values())
        found = (self._members.get(conn_id) for conn_id in event.only)
        return tuple(member for member in found if member is not None)

    def _tell(self, member: Member, parts: bytes, *, drop: bool) -> None:
        tail = b"}"
        if member.dialect.numbers_events(member.caller.role):
            tail = b',"seq":%d}' % member.next_seq()
        if not member.is_over_budget:
            member.send_parts(parts, tail)
        elif drop:
            self._metrics.ws_dropped_bytes.inc(len(parts) + len(tail))
        else:
            self._drop(member)

    def _drop(self, member: Member) -> None:
        self._metrics.slow_consumers.inc()
        self._audit.record(
            AuditKind.CLIENT_TOO_SLOW,
            conn_id=member.caller.conn_id,
            client=member.caller.client_id,
        )
        member.close(_POLICY, SLOW_CONSUMER)


def _may_hear(caller: Caller, row: EventRow, *, is_meant: bool) -> bool:
    if caller.role is Role.NODE:
        return is_meant or row.for_nodes
    return row.scope is None or row.scope in caller.scopes
