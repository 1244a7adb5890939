"""Payloads of the small events: the challenge, the tick and the shutdown."""

from __future__ import annotations

import msgspec

__all__ = ["Challenge", "ShutdownNotice", "Tick"]


class Challenge(msgspec.Struct, frozen=True):
    """Payload of `connect.challenge`; a device signs the nonce within its `connect`."""

    nonce: str
    ts: int


class Tick(msgspec.Struct, frozen=True):
    """Payload of `tick`."""

    ts: int


class ShutdownNotice(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Payload of `shutdown`; with `restart_expected_ms` the gateway comes back."""

    reason: str
    restart_expected_ms: int | None = None
