"""What a gateway says on connecting: itself, its health, who is there."""

from __future__ import annotations

from typing import Any

from support.native.frames import FrameStateVersion, NativeStruct

__all__ = [
    "Health",
    "HealthSession",
    "HealthSessions",
    "Heartbeat",
    "Hello",
    "HelloAuth",
    "HelloFeatures",
    "HelloPolicy",
    "HelloServer",
    "Presence",
    "PresenceEntry",
    "SessionDefaults",
    "Shutdown",
    "Snapshot",
    "Tick",
]


class PresenceEntry(NativeStruct, kw_only=True):
    ts: int
    host: str | None = None
    ip: str | None = None
    version: str | None = None
    platform: str | None = None
    device_family: str | None = None
    model_identifier: str | None = None
    mode: str | None = None
    last_input_seconds: int | None = None
    reason: str | None = None
    tags: list[str] | None = None
    text: str | None = None
    device_id: str | None = None
    roles: list[str] | None = None
    scopes: list[str] | None = None
    instance_id: str | None = None


class SessionDefaults(NativeStruct, kw_only=True):
    """Android reads `mainSessionKey`."""

    main_session_key: str
    default_agent_id: str | None = None
    main_key: str | None = None
    scope: str | None = None


class HealthSession(NativeStruct, kw_only=True):
    key: str
    updated_at: int | None = None
    age: int | None = None


class HealthSessions(NativeStruct):
    path: str
    count: int
    recent: list[HealthSession]


class Health(NativeStruct, kw_only=True):
    ts: int
    duration_ms: int
    channels: dict[str, dict[str, Any]]
    sessions: HealthSessions
    ok: bool | None = None
    channel_order: list[str] | None = None
    channel_labels: dict[str, str] | None = None
    heartbeat_seconds: int | None = None


class Snapshot(NativeStruct, kw_only=True):
    presence: list[PresenceEntry]
    health: Health
    state_version: FrameStateVersion
    uptime_ms: int
    config_path: str | None = None
    state_dir: str | None = None
    session_defaults: SessionDefaults | None = None


class HelloAuth(NativeStruct):
    device_token: str
    role: str
    scopes: list[str]
    issued_at_ms: int | None = None


class HelloPolicy(NativeStruct):
    """`tickIntervalMs` sets the watchdog."""

    tick_interval_ms: int
    max_payload: int
    max_buffered_bytes: int


class HelloServer(NativeStruct, kw_only=True):
    version: str
    conn_id: str
    host: str | None = None


class HelloFeatures(NativeStruct):
    methods: list[str]
    events: list[str]


class Hello(NativeStruct, kw_only=True):
    type: str
    protocol: int
    server: HelloServer
    features: HelloFeatures
    snapshot: Snapshot
    policy: HelloPolicy
    canvas_host_url: str | None = None
    auth: HelloAuth | None = None


class Presence(NativeStruct):
    presence: list[PresenceEntry]


class Heartbeat(NativeStruct, kw_only=True):
    ts: int
    status: str


class Tick(NativeStruct):
    ts: int


class Shutdown(NativeStruct, kw_only=True):
    reason: str
    restart_expected_ms: int | None = None
