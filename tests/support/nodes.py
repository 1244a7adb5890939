"""Devices and nodes behind the methods: the real rooms, on the database of a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from carapace.auth.devices import Devices
from carapace.auth.records import PairRequest
from carapace.auth.revocation import Revocations
from carapace.auth.tokens import DeviceTokens
from carapace.auth.types import Caller
from carapace.clock import Clock
from carapace.ids import DeviceId
from carapace.protocol.events import Publish
from carapace.protocol.scopes import Role
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor

__all__ = ["Closed", "open_devices", "pair_request"]

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
