"""Devices on the wire: what pairing shows to people and programs (protocol.md section 4)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "DeviceDecision",
    "DevicePairList",
    "DeviceRow",
    "DeviceTokenRevoke",
    "DeviceTokenRevoked",
    "DeviceTokenRotate",
    "DeviceTokenRotated",
    "PairApproved",
    "PairDecide",
    "PairRejected",
    "PairRequestRow",
    "TokenRow",
]

_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class PairDecide(_In):
    """Params of `device.pair.approve|reject` and `node.pair.approve|reject`."""

    request_id: _Name


class DeviceTokenRotate(_In):
    """Params of `device.token.rotate`; without `scopes` they stay as they are."""

    device_id: _Name
    role: _Name
    scopes: Annotated[list[_Name], Meta(max_length=32)] | None = None


class DeviceTokenRevoke(_In):
    """Params of `device.token.revoke`."""

    device_id: _Name
    role: _Name


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class TokenRow(_Out, kw_only=True):
    """A device's token of one role, without the token."""

    role: str
    scopes: list[str]
    created_at_ms: int
    rotated_at_ms: int | None = None
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None


class DeviceRow(_Out, kw_only=True):
    """A paired device."""

    device_id: str
    public_key: str
    display_name: str | None = None
    platform: str
    client_id: str
    client_mode: str
    role: str
    roles: list[str]
    scopes: list[str] | None = None
    remote_ip: str | None = None
    created_at_ms: int
    approved_at_ms: int
    tokens: list[TokenRow]


class PairRequestRow(_Out, kw_only=True):
    """A device that waits for approval; also the payload of `device.pair.requested`."""

    request_id: str
    device_id: str
    public_key: str
    display_name: str | None = None
    platform: str
    client_id: str
    client_mode: str
    role: str
    roles: list[str]
    scopes: list[str]
    commands: list[str] | None = None
    remote_ip: str | None = None
    silent: bool
    is_repair: bool
    ts: int


class DevicePairList(_Out, kw_only=True):
    """Result of `device.pair.list`."""

    pending: list[PairRequestRow]
    paired: list[DeviceRow]


class DeviceDecision(_Out, kw_only=True):
    """Payload of `device.pair.resolved`."""

    request_id: str
    device_id: str
    decision: Literal["approved", "rejected"]
    ts: int


class PairApproved(_Out, kw_only=True):
    """Result of `device.pair.approve`."""

    request_id: str
    device: DeviceRow


class PairRejected(_Out, kw_only=True):
    """Result of `device.pair.reject`."""

    request_id: str
    device_id: str


class DeviceTokenRotated(_Out, kw_only=True):
    """Result of `device.token.rotate`: the only place besides hello-ok that shows a token."""

    device_id: str
    role: str
    token: str
    scopes: list[str]
    rotated_at_ms: int


class DeviceTokenRevoked(_Out, kw_only=True):
    """Result of `device.token.revoke`."""

    device_id: str
    role: str
    revoked_at_ms: int
