"""Words of the room: a connected node, a call to it, and how the call ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carapace.auth.platform import Platform
from carapace.ids import ConnId, DeviceId
from carapace.value import Value

__all__ = ["NOT_CONNECTED", "TIMED_OUT", "LiveNode", "NodeCall", "NodeFailure", "Outcome"]


class LiveNode(Value, frozen=True, kw_only=True):
    """A node's connection.

    Attributes:
        conn_id: The connection; a node that comes again has another.
        node_id: Its device's id.
        platform: As approved; rules go by it.
        commands: What it offers and was approved for, in order.
        shown_platform: As it says now; for display only, as everything below.
        remote_ip: Where it connected from.
    """

    conn_id: ConnId
    node_id: DeviceId
    platform: Platform
    commands: tuple[str, ...]
    connected_at_ms: int
    display_name: str | None = None
    shown_platform: str | None = None
    version: str | None = None
    device_family: str | None = None
    model_identifier: str | None = None
    remote_ip: str | None = None
    caps: tuple[str, ...] = ()
    permissions: Mapping[str, bool] | None = None


class NodeCall(Value, frozen=True, kw_only=True):
    """One command for one node.

    Attributes:
        params_json: As the caller says it; None without params.
        idempotency_key: The caller's.
        caller_key: Who calls: keys of different callers are different keys.
    """

    node_id: str
    command: str
    params_json: str | None
    timeout_ms: int
    idempotency_key: str
    caller_key: str


class NodeFailure(Value, frozen=True):
    """Why there is no result: the node's words, or ours."""

    code: str | None
    message: str | None


class Outcome(Value, frozen=True):
    """How a call ended.

    Attributes:
        payload: JSON-ready; what `payload_json` says, if there is one.
        payload_json: The node's own text.
        failure: Set if it failed.
    """

    payload: Any = None
    payload_json: str | None = None
    failure: NodeFailure | None = None


NOT_CONNECTED: Final = NodeFailure("NOT_CONNECTED", "node not connected")
TIMED_OUT: Final = Outcome(failure=NodeFailure("TIMEOUT", "node invoke timed out"))
