"""Devices and nodes behind the methods: the real rooms, on the database of a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from carapace.auth.devices import Devices
from carapace.auth.platform import Platform
from carapace.auth.records import PairRequest
from carapace.auth.revocation import Revocations
from carapace.auth.tokens import DeviceTokens
from carapace.auth.types import Caller, NodeClaims
from carapace.clock import Clock
from carapace.ids import ConnId, DeviceId
from carapace.nodes.types import LiveNode, NodeCall
from carapace.protocol.events import Publish
from carapace.protocol.scopes import Role
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.server import client_info, make_caller

__all__ = ["Closed", "call", "live", "node_caller", "open_devices", "pair_request"]

_KEY = "planted-device-token-key-0123456789"


@dataclass
class Closed:
    """Connections that a change ends; `live` are those there are."""

    live: list[Caller] = field(default_factory=list[Caller])
    reasons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def close(self, matches: Callable[[Caller], bool], reason: str) -> None:
        for one in [one for one in self.live if matches(one)]:
            self.live.remove(one)
            self.reasons.append((one.conn_id, reason))


def open_devices(
    database: Database, folder: Path, *, clock: Clock, publish: Publish, closed: Closed
) -> Devices:
    return Devices(
        database,
        DeviceTokens(_KEY),
        revocations=Revocations(closed.close),
        clock=clock,
        publish=publish,
        audit=Audit(folder / "device-audit", clock=clock, redactor=Redactor()),
    )


def pair_request(
    device_id: str,
    now_ms: int,
    *,
    role: Role = Role.OPERATOR,
    scopes: tuple[str, ...] = (),
    commands: tuple[str, ...] = (),
    platform: str = "linux",
) -> PairRequest:
    """A device that waits, as `Pairing` writes it down."""
    return PairRequest(
        request_id=f"request-{device_id}",
        device_id=DeviceId(device_id),
        public_key=f"key-{device_id}",
        role=role,
        scopes=scopes,
        commands=commands,
        display_name=f"Name of {device_id}",
        platform=platform,
        client_id="cli",
        client_mode="cli",
        remote_ip=None,
        is_repair=False,
        created_at_ms=now_ms,
    )


def node_caller(
    node_id: str,
    *,
    commands: tuple[str, ...] = ("camera.snap", "canvas.present"),
    platform: str = "ios",
    conn_id: str = "",
    **claims: Any,
) -> Caller:
    """A node that was let in; `platform` is both what it says and what it was approved as."""
    client = client_info("node", platform=platform, display_name=f"Name of {node_id}")
    caller = make_caller(
        conn_id or f"conn-{node_id}",
        role=Role.NODE,
        scopes=(),
        client=client,
        device_id=node_id,
    )
    said: dict[str, Any] = {"platform": platform, **claims}
    claimed = NodeClaims(**said)
    return replace(caller, commands=commands, claims=claimed)


def live(node_id: str = "n1", **more: Any) -> LiveNode:
    """A connected node."""
    values: dict[str, Any] = {
        "conn_id": ConnId(f"conn-{node_id}"),
        "node_id": DeviceId(node_id),
        "platform": Platform.IOS,
        "commands": ("camera.snap", "canvas.present"),
        "connected_at_ms": 1,
    }
    return LiveNode(**{**values, **more})


def call(command: str = "camera.snap", **more: Any) -> NodeCall:
    """One command for `n1`."""
    values: dict[str, Any] = {
        "node_id": "n1",
        "command": command,
        "params_json": None,
        "timeout_ms": 5_000,
        "idempotency_key": "k1",
        "caller_key": "me",
    }
    return NodeCall(**{**values, **more})
