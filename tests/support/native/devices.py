"""Devices that ask to be paired, and those that are."""

from __future__ import annotations

import msgspec

from support.native.frames import NativeStruct

__all__ = [
    "DevicePairList",
    "Granted",
    "PairRequested",
    "PairResolved",
    "PairedDevice",
    "TokenSummary",
]


class PairRequested(NativeStruct, kw_only=True):
    request_id: str
    device_id: str
    public_key: str
    ts: int


class PairResolved(NativeStruct, kw_only=True):
    request_id: str
    device_id: str
    decision: str
    ts: int


class TokenSummary(NativeStruct, kw_only=True):
    role: str
    scopes: list[str] = msgspec.field(default_factory=list)
    created_at_ms: int | None = None
    rotated_at_ms: int | None = None
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None


class PairedDevice(NativeStruct, kw_only=True):
    device_id: str
    display_name: str | None = None
    platform: str | None = None
    roles: list[str] | None = None
    scopes: list[str] | None = None
    remote_ip: str | None = None
    tokens: list[TokenSummary] | None = None
    created_at_ms: int | None = None
    approved_at_ms: int | None = None


class DevicePairList(NativeStruct):
    pending: list[PairRequested]
    paired: list[PairedDevice]


class Granted(NativeStruct):
    """Of a decision the apps read only that it was taken; the rest they ask for again."""

    request_id: str
