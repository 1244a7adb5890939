"""JSON Schema 2020-12 of everything on the wire, made from the registry and the event table.

`$defs` holds every type once; `methods` and `events` are a catalogue beside it that points
there. A program validates an answer against `methods.<name>.result` with the same `$defs`.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final, Union, get_args, get_origin

import msgspec

from carapace.protocol.agent import AgentEvent
from carapace.protocol.approvals import ApprovalRequested, ApprovalResolved
from carapace.protocol.chat import ChatEvent
from carapace.protocol.connect import PROTOCOLS, ConnectParams, HelloOk
from carapace.protocol.cron import CronEvent
from carapace.protocol.delivery import DeliveryEvent
from carapace.protocol.devices import DeviceDecision, PairRequestRow
from carapace.protocol.errors import ErrorCode, ErrorShape
from carapace.protocol.events import EVENTS
from carapace.protocol.health import HealthSnapshot
from carapace.protocol.nodes import NodeDecision, NodeInvokeRequest, NodePairRequestRow
from carapace.protocol.notices import Challenge, ShutdownNotice, Tick
from carapace.protocol.presence import PresenceEntry, PresenceEvent
from carapace.protocol.registry import MethodRow
from carapace.protocol.sessions import TranscriptMessage
from carapace.protocol.system import HeartbeatEvent
from carapace.protocol.talk import TalkMode
from carapace.protocol.voicewake import VoiceWake

__all__ = ["PAYLOADS", "protocol_schema"]

PAYLOADS: Final[dict[str, type[msgspec.Struct]]] = {
    "connect.challenge": Challenge,
    "agent": AgentEvent,
    "chat": ChatEvent,
    "presence": PresenceEvent,
    "tick": Tick,
    "shutdown": ShutdownNotice,
    "health": HealthSnapshot,
    "heartbeat": HeartbeatEvent,
    "cron": CronEvent,
    "device.pair.requested": PairRequestRow,
    "device.pair.resolved": DeviceDecision,
    "exec.approval.requested": ApprovalRequested,
    "exec.approval.resolved": ApprovalResolved,
    "node.pair.requested": NodePairRequestRow,
    "node.pair.resolved": NodeDecision,
    "node.invoke.request": NodeInvokeRequest,
    "talk.mode": TalkMode,
    "voicewake.changed": VoiceWake,
    "delivery": DeliveryEvent,
}
"""What each event carries. An event of the table that is not here is announced to clients,
which expect its name, and not sent yet."""

_TEMPLATE: Final = "#/$defs/{name}"
# Named by references inside other types, whose values travel encoded.
_ENCODED: Final = (PresenceEntry, TranscriptMessage)


def protocol_schema(methods: Mapping[str, MethodRow]) -> dict[str, Any]:
    """The whole document."""
    wanted = _Wanted()
    rows = {name: _method(row, wanted) for name, row in sorted(methods.items())}
    connect = {
        "summary": "The first request of a connection: who calls, and what for.",
        "scope": None,
        "role": None,
        "params": wanted.of(ConnectParams),
        "result": wanted.of(HelloOk),
    }
    events = {name: _event(name, wanted) for name in EVENTS}
    error = wanted.of(ErrorShape)
    for encoded in _ENCODED:
        wanted.of(encoded)
    schemas, definitions = wanted.resolve()
    return _resolved(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Carapace gateway protocol",
            "protocols": list(PROTOCOLS),
            "errorCodes": [str(code) for code in ErrorCode],
            "error": error,
            "methods": {"connect": connect, **rows},
            "events": events,
            "$defs": dict(sorted(definitions.items())),
        },
        schemas,
    )


class _Place(msgspec.Struct, frozen=True):
    """Stands where the schema of the `index`-th wanted type belongs."""

    index: int


class _Wanted:
    """Types whose schemas are made together, so that shared ones are defined once."""

    def __init__(self) -> None:
        self._types: list[Any] = []

    def of(self, hint: Any) -> Any:
        """A place for `hint`; a union of structs is a choice between their places."""
        members = tuple(_members(hint))
        if len(members) > 1:
            return {"anyOf": [self.of(member) for member in members]}
        self._types.append(hint)
        return _Place(len(self._types) - 1)

    def resolve(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The schemas in the order of their places, and what they refer to."""
        return msgspec.json.schema_components(self._types, ref_template=_TEMPLATE)


def _members(hint: Any) -> Iterator[Any]:
    # Two structs without a tag in one union are more than the decoder takes, not more than
    # an answer may be.
    if get_origin(hint) in (Union, types.UnionType):
        yield from get_args(hint)
    else:
        yield hint


def _method(row: MethodRow, wanted: _Wanted) -> dict[str, Any]:
    return {
        "summary": row.summary,
        "scope": None if row.scope is None else str(row.scope),
        "role": str(row.role),
        "params": {} if row.params is None else wanted.of(row.params),
        "result": {"type": "null"} if row.result is types.NoneType else wanted.of(row.result),
    }


def _event(name: str, wanted: _Wanted) -> dict[str, Any]:
    row = EVENTS[name]
    payload = PAYLOADS.get(name)
    described: dict[str, Any] = {
        "summary": row.summary,
        "scope": None if row.scope is None else str(row.scope),
        "droppable": row.drop_if_slow,
        "sent": payload is not None,
    }
    if payload is not None:
        described["payload"] = wanted.of(payload)
    return described


def _resolved(node: Any, schemas: tuple[Any, ...]) -> Any:
    if isinstance(node, _Place):
        return schemas[node.index]
    if isinstance(node, dict):
        given: dict[str, Any] = node  # pyright: ignore[reportUnknownVariableType] - plain JSON
        return {name: _value(name, value, schemas) for name, value in given.items()}
    if isinstance(node, list):
        return [_resolved(value, schemas) for value in node]  # pyright: ignore[reportUnknownVariableType] - plain JSON
    return node


def _value(name: str, value: Any, schemas: tuple[Any, ...]) -> Any:
    if name == "description" and isinstance(value, str):
        return inspect.cleandoc(value)
    return _resolved(value, schemas)
