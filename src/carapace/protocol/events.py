"""Events: what the gateway says unasked, and who may hear it (protocol 3, section 2.4).

An event that names no scope is heard by every operator. Nodes hear what is addressed to
them, what happens in sessions they follow, the words that wake them, the tick that keeps their
watchdog quiet, and the shutdown: the Node gateway lets them hear everything, which is not copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from carapace.ids import ConnId
from carapace.protocol.scopes import Scope
from carapace.value import Value

__all__ = ["ADVERTISED", "EVENTS", "Event", "EventRow", "Publish", "StateVersion"]


class StateVersion(msgspec.Struct, frozen=True):
    """Counters that grow with every change of what they name."""

    presence: int
    health: int


class EventRow(Value, frozen=True):
    """One kind of event.

    Attributes:
        name: As on the wire.
        scope: What a connection must hold to hear it; None is every operator.
        drop_if_slow: A client over its send budget misses it; otherwise it is closed.
        summary: For the reference.
        for_nodes: Nodes hear it too, without being addressed.
        is_own: Ours, not the protocol's; not named in the hello, so that it stays as clients
            know it.
    """

    name: str
    scope: Scope | None
    drop_if_slow: bool
    summary: str
    for_nodes: bool = False
    is_own: bool = False


class Event(Value, frozen=True):
    """One happening.

    Attributes:
        name: A key of `EVENTS`.
        payload: A struct or JSON-ready value.
        state_version: Given by health and presence.
        only: If set, just these connections hear it (and their scope still counts).
        drop_if_slow: Overrides the row's (chat deltas may be dropped, finals may not).
    """

    name: str
    payload: Any
    state_version: StateVersion | None = None
    only: frozenset[ConnId] | None = None
    drop_if_slow: bool | None = None


Publish = Callable[[Event], None]

_ROWS = (
    EventRow("connect.challenge", None, False, "First frame of a connection: the nonce to sign."),
    EventRow("agent", Scope.READ, False, "Life cycle, text and tools of a run."),
    EventRow("chat", Scope.READ, False, "The answer of a run as a chat shows it."),
    EventRow("presence", None, True, "Who is connected, whenever that changes."),
    EventRow("tick", None, True, "Sign of life every `policy.tickIntervalMs`.", for_nodes=True),
    EventRow("talk.mode", None, True, "Talk mode was switched."),
    EventRow("shutdown", None, False, "The gateway stops or restarts.", for_nodes=True),
    EventRow("health", None, True, "The health snapshot, when it changes and every minute."),
    EventRow("heartbeat", Scope.READ, True, "A heartbeat turn ran."),
    EventRow("cron", Scope.READ, True, "A scheduled job changed or ran."),
    EventRow("node.pair.requested", Scope.PAIRING, True, "A node asks to be paired."),
    EventRow("node.pair.resolved", Scope.PAIRING, True, "A node's request was decided."),
    EventRow("node.invoke.request", None, False, "A command for a node; only that node hears it."),
    EventRow("device.pair.requested", Scope.PAIRING, True, "A device asks to be paired."),
    EventRow("device.pair.resolved", Scope.PAIRING, True, "A device's request was decided."),
    EventRow("voicewake.changed", None, True, "The wake words changed.", for_nodes=True),
    EventRow("exec.approval.requested", Scope.APPROVALS, True, "A command waits for a person."),
    EventRow("exec.approval.resolved", Scope.APPROVALS, True, "A person decided on a command."),
    EventRow(
        "delivery",
        Scope.READ,
        True,
        "A message to a chat service was delivered or given up.",
        is_own=True,
    ),
)
EVENTS: Final[dict[str, EventRow]] = {row.name: row for row in _ROWS}
ADVERTISED: Final = tuple(row.name for row in _ROWS if not row.is_own)
