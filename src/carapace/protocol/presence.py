"""Presence: who is connected, as `system-presence`, hello-ok and the `presence` event show it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["PresenceEntry", "PresenceEvent"]


class PresenceEntry(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, frozen=True):
    """One client, or the gateway itself.

    Native decoders insist on `ts` and on its being a whole number.
    """

    host: str | None = None
    ip: str | None = None
    version: str | None = None
    platform: str | None = None
    device_family: str | None = None
    model_identifier: str | None = None
    mode: str | None = None
    last_input_seconds: int | None = None
    device_id: str | None = None
    roles: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    instance_id: str | None = None
    reason: str | None = None
    text: str
    ts: int


class PresenceEvent(msgspec.Struct, frozen=True):
    """Payload of the `presence` event: entries already encoded as one JSON array."""

    presence: Annotated[
        msgspec.Raw,
        Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/$defs/PresenceEntry"}}),
    ]
