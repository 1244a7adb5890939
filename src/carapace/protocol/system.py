"""The gateway's own signs of life: heartbeats, wakes and what clients say of themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = ["Enabled", "HeartbeatEvent", "Ok", "SetHeartbeats", "SystemEventParams", "WakeParams"]


class HeartbeatEvent(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, frozen=True):
    """Payload of the event `heartbeat` and answer of `last-heartbeat`.

    `status` tells an answer that went to somebody (`sent`) from one that says nothing (`ok-token`,
    `ok-empty`), from none (`skipped`, with its `reason`) and from trouble (`failed`).
    """

    ts: int
    status: Literal["sent", "ok-empty", "ok-token", "skipped", "failed"]
    to: str | None = None
    preview: str | None = None
    duration_ms: int | None = None
    has_media: bool | None = None
    reason: str | None = None
    channel: str | None = None
    silent: bool | None = None
    indicator_type: Literal["ok", "alert", "error"] | None = None


class SetHeartbeats(msgspec.Struct):
    """Params of `set-heartbeats`."""

    enabled: Annotated[Any, Meta(extra_json_schema={"type": "boolean"})] = None


class Enabled(msgspec.Struct):
    """Answer of `set-heartbeats`."""

    ok: bool
    enabled: bool


class WakeParams(msgspec.Struct, forbid_unknown_fields=True):
    """Params of `wake`: a text for the main session, and whether a turn follows at once."""

    mode: Literal["now", "next-heartbeat"]
    text: Annotated[str, Meta(min_length=1, max_length=32_768)]


class Ok(msgspec.Struct):
    """It was done, or not."""

    ok: bool


class SystemEventParams(msgspec.Struct, rename="camel"):
    """Params of `system-event`: a text, and how the client that sends it wants to be listed.

    Fields of another type than meant count as absent, as with the Node gateway.
    """

    text: Annotated[Any, Meta(extra_json_schema={"type": "string"})] = None
    device_id: Any = None
    instance_id: Any = None
    host: Any = None
    ip: Any = None
    mode: Any = None
    version: Any = None
    platform: Any = None
    device_family: Any = None
    model_identifier: Any = None
    last_input_seconds: Any = None
    reason: Any = None
    roles: Any = None
    scopes: Any = None
    tags: Any = None
