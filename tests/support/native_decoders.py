"""What the macOS, iOS and Android apps decode, as strictly as they do.

Written from the field lists of their decoders: a field without a default here is one whose
absence, null or wrong type makes the app lose the whole payload. Int fields take whole
numbers only; `whole` refuses any fraction on the wire, `1.0` too.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

__all__ = [
    "EVENTS",
    "JOB_RESULTS",
    "NODE_RESULTS",
    "RESULTS",
    "AgentAccepted",
    "AgentEvent",
    "ChatEvent",
    "ChatHistory",
    "ChatSend",
    "EventFrame",
    "Health",
    "Hello",
    "ResponseFrame",
    "SessionsList",
    "SessionsPreview",
    "decode_event",
    "decode_result",
    "frame_of",
    "whole",
]


_NOTHING: Final = msgspec.Raw(b"null")


class _In(msgspec.Struct, rename="camel"):
    """Unknown fields are skipped, as Swift's and Kotlin's decoders do."""


# ---- frames --------------------------------------------------------------------------------


class WireError(_In):
    code: str
    message: str


class ResponseFrame(_In, kw_only=True):
    type: str
    id: str
    ok: bool
    payload: msgspec.Raw = _NOTHING
    error: WireError | None = None


class FrameStateVersion(_In):
    presence: int
    health: int


class EventFrame(_In, kw_only=True):
    type: str
    event: str
    payload: msgspec.Raw = _NOTHING
    seq: int | None = None
    state_version: FrameStateVersion | None = None


# ---- hello ---------------------------------------------------------------------------------


class PresenceEntry(_In, kw_only=True):
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


class SessionDefaults(_In, kw_only=True):
    """Android reads `mainSessionKey`."""

    main_session_key: str
    default_agent_id: str | None = None
    main_key: str | None = None
    scope: str | None = None


class Snapshot(_In, kw_only=True):
    presence: list[PresenceEntry]
    health: Health
    state_version: FrameStateVersion
    uptime_ms: int
    config_path: str | None = None
    state_dir: str | None = None
    session_defaults: SessionDefaults | None = None


class HelloAuth(_In):
    device_token: str
    role: str
    scopes: list[str]
    issued_at_ms: int | None = None


class HelloPolicy(_In):
    """`tickIntervalMs` sets the watchdog."""

    tick_interval_ms: int
    max_payload: int
    max_buffered_bytes: int


class HelloServer(_In, kw_only=True):
    version: str
    conn_id: str
    host: str | None = None


class HelloFeatures(_In):
    methods: list[str]
    events: list[str]


class Hello(_In, kw_only=True):
    type: str
    protocol: int
    server: HelloServer
    features: HelloFeatures
    snapshot: Snapshot
    policy: HelloPolicy
    canvas_host_url: str | None = None
    auth: HelloAuth | None = None


# ---- results and events --------------------------------------------------------------------


class HealthSession(_In, kw_only=True):
    key: str
    updated_at: int | None = None
    age: int | None = None


class HealthSessions(_In):
    path: str
    count: int
    recent: list[HealthSession]


class Health(_In, kw_only=True):
    ts: int
    duration_ms: int
    channels: dict[str, dict[str, Any]]
    sessions: HealthSessions
    ok: bool | None = None
    channel_order: list[str] | None = None
    channel_labels: dict[str, str] | None = None
    heartbeat_seconds: int | None = None


class Presence(_In):
    presence: list[PresenceEntry]


class Heartbeat(_In, kw_only=True):
    ts: int
    status: str


class AgentEvent(_In, kw_only=True):
    run_id: str
    seq: int
    stream: str
    ts: int
    data: dict[str, Any]
    session_key: str | None = None
    summary: str | None = None


class ChatPart(_In, kw_only=True):
    type: str
    text: str | None = None


class ChatUsage(_In, kw_only=True):
    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    total_tokens: int | None = None
    cost: dict[str, float] | None = None


class ChatMessage(_In, kw_only=True):
    role: str
    content: str | list[ChatPart]
    timestamp: int | None = None
    usage: ChatUsage | None = None
    stop_reason: str | None = None


class ChatEvent(_In, kw_only=True):
    run_id: str
    session_key: str
    state: str
    seq: int | None = None
    message: ChatMessage | None = None
    error_message: str | None = None


class ChatSend(_In):
    run_id: str
    status: str


class ChatHistory(_In, kw_only=True):
    session_key: str
    messages: list[ChatMessage]
    session_id: str | None = None
    thinking_level: str | None = None


class ChatAbort(_In, kw_only=True):
    ok: bool
    aborted: bool
    run_ids: list[str]


class AgentAccepted(_In, kw_only=True):
    run_id: str
    status: str


class SessionRow(_In, kw_only=True):
    key: str
    kind: str | None = None
    display_name: str | None = None
    updated_at: int | None = None
    session_id: str | None = None
    system_sent: bool | None = None
    aborted_last_run: bool | None = None
    thinking_level: str | None = None
    verbose_level: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    model: str | None = None
    context_tokens: int | None = None


class SessionsDefaults(_In, kw_only=True):
    model: str | None = None
    context_tokens: int | None = None


class SessionsList(_In, kw_only=True):
    path: str
    count: int
    sessions: list[SessionRow]
    ts: int | None = None
    defaults: SessionsDefaults | None = None


class PreviewItem(_In):
    role: str
    text: str


class Preview(_In):
    key: str
    status: str
    items: list[PreviewItem]


class SessionsPreview(_In):
    ts: int
    previews: list[Preview]


class SessionChanged(_In, kw_only=True):
    """Of patch, reset, delete and compact the apps read that it worked."""

    ok: bool
    key: str


class ModelRow(_In, kw_only=True):
    id: str
    name: str
    provider: str
    context_window: int | None = None
    reasoning: bool | None = None


class ModelsList(_In):
    models: list[ModelRow]


class ChannelAccount(_In):
    account_id: str


class ChannelsStatus(_In, kw_only=True):
    ts: int
    channel_order: list[str]
    channel_labels: dict[str, str]
    channels: dict[str, dict[str, Any]]
    channel_accounts: dict[str, list[ChannelAccount]]
    channel_default_account_id: dict[str, str]


class ConfigIssue(_In):
    path: str
    message: str


class ConfigGet(_In, kw_only=True):
    config: dict[str, Any] | None = None
    hash: str | None = None
    raw: str | None = None
    valid: bool | None = None
    issues: list[ConfigIssue] | None = None


class ConfigSchema(_In, kw_only=True):
    schema: dict[str, Any]
    ui_hints: dict[str, dict[str, Any]]


class Tick(_In):
    ts: int


class Shutdown(_In, kw_only=True):
    reason: str
    restart_expected_ms: int | None = None


class PairRequested(_In, kw_only=True):
    request_id: str
    device_id: str
    public_key: str
    ts: int


class PairResolved(_In, kw_only=True):
    request_id: str
    device_id: str
    decision: str
    ts: int


class TokenSummary(_In, kw_only=True):
    role: str
    scopes: list[str] = []
    created_at_ms: int | None = None
    rotated_at_ms: int | None = None
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None


class PairedDevice(_In, kw_only=True):
    device_id: str
    display_name: str | None = None
    platform: str | None = None
    roles: list[str] | None = None
    scopes: list[str] | None = None
    remote_ip: str | None = None
    tokens: list[TokenSummary] | None = None
    created_at_ms: int | None = None
    approved_at_ms: int | None = None


class DevicePairList(_In):
    pending: list[PairRequested]
    paired: list[PairedDevice]


class NodeRow(_In, kw_only=True):
    node_id: str
    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    device_family: str | None = None
    model_identifier: str | None = None
    remote_ip: str | None = None
    caps: list[str] | None = None
    commands: list[str] | None = None
    permissions: dict[str, bool] | None = None
    paired: bool | None = None
    connected: bool | None = None


class NodeList(_In, kw_only=True):
    nodes: list[NodeRow]
    ts: int | None = None


class NodePairRequested(_In, kw_only=True):
    request_id: str
    node_id: str
    ts: int
    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    remote_ip: str | None = None
    is_repair: bool | None = None
    silent: bool | None = None


class PairedNode(_In, kw_only=True):
    node_id: str
    approved_at_ms: int | None = None
    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    remote_ip: str | None = None


class NodePairList(_In):
    pending: list[NodePairRequested]
    paired: list[PairedNode]


class NodePairResolved(_In, kw_only=True):
    request_id: str
    node_id: str
    decision: str
    ts: int


class InvokeRequest(_In, kw_only=True):
    id: str
    node_id: str
    command: str
    params_json: str | None = msgspec.field(name="paramsJSON", default=None)
    timeout_ms: int | None = None
    idempotency_key: str | None = None


class VoiceWake(_In):
    triggers: list[str]


class TalkMode(_In, kw_only=True):
    enabled: bool
    phase: str | None = None
    ts: int | None = None


class Granted(_In):
    """Of a decision the apps read only that it was taken; the rest they ask for again."""

    request_id: str


class NodeGranted(_In, kw_only=True):
    ok: bool
    ignored: bool | None = None


class CronJob(_In, kw_only=True):
    """A bad one loses the list."""

    id: str
    name: str
    enabled: bool
    created_at_ms: int
    updated_at_ms: int
    schedule: dict[str, Any]
    session_target: str
    wake_mode: str
    payload: dict[str, Any]
    state: dict[str, Any]


class CronJobs(_In):
    jobs: list[CronJob]


class CronStatus(_In, kw_only=True):
    enabled: bool
    store_path: str
    jobs: int
    next_wake_at_ms: int | None = None


class CronEntry(_In, kw_only=True):
    ts: int
    job_id: str
    action: str


class CronEntries(_In):
    entries: list[CronEntry]


class CronEvent(_In, kw_only=True):
    job_id: str
    action: str


class Done(_In, kw_only=True):
    """Whether it was done; what else is said is not looked at."""

    ok: bool


class StatusReport(_In, kw_only=True):
    """Shown as it is; only that it is an object matters."""

    sessions: dict[str, Any]


RESULTS: Final[dict[str, Any]] = {
    "agent": AgentAccepted,
    "channels.status": ChannelsStatus,
    "chat.abort": ChatAbort,
    "chat.history": ChatHistory,
    "chat.send": ChatSend,
    "config.get": ConfigGet,
    "config.schema": ConfigSchema,
    "health": Health,
    "last-heartbeat": Heartbeat | None,
    "models.list": ModelsList,
    "sessions.compact": SessionChanged,
    "sessions.delete": SessionChanged,
    "sessions.list": SessionsList,
    "sessions.patch": SessionChanged,
    "sessions.preview": SessionsPreview,
    "sessions.reset": SessionChanged,
    "status": StatusReport,
    "system-presence": list[PresenceEntry],
}

NODE_RESULTS: Final[dict[str, Any]] = {
    "device.pair.approve": Granted,
    "device.pair.list": DevicePairList,
    "device.pair.reject": Granted,
    "node.event": NodeGranted,
    "node.invoke.result": NodeGranted,
    "node.list": NodeList,
    "node.pair.approve": Granted,
    "node.pair.list": NodePairList,
    "node.pair.reject": Granted,
    "talk.mode": TalkMode,
    "voicewake.get": VoiceWake,
    "voicewake.set": VoiceWake,
}
"""Of nodes and devices; asked in `test_native_nodes`."""

JOB_RESULTS: Final[dict[str, Any]] = {
    "cron.add": CronJob,
    "cron.list": CronJobs,
    "cron.remove": Done,
    "cron.run": Done,
    "cron.runs": CronEntries,
    "cron.status": CronStatus,
    "cron.update": CronJob,
    "set-heartbeats": Done,
    "system-event": Done,
}
"""Of jobs and signs of life; asked in `test_native_jobs`."""

EVENTS: Final[dict[str, Any]] = {
    "agent": AgentEvent,
    "chat": ChatEvent,
    "cron": CronEvent,
    "device.pair.requested": PairRequested,
    "device.pair.resolved": PairResolved,
    "health": Health,
    "heartbeat": Heartbeat,
    "node.invoke.request": InvokeRequest,
    "node.pair.requested": NodePairRequested,
    "node.pair.resolved": NodePairResolved,
    "presence": Presence,
    "shutdown": Shutdown,
    "talk.mode": TalkMode,
    "tick": Tick,
    "voicewake.changed": VoiceWake,
}


def whole(data: str | bytes) -> None:
    """Refuse fractions anywhere in a message but in `cost`, which the apps hold as Double.

    Raises:
        ValueError: If there is one.
    """
    _no_fraction(json.loads(data), data)


def _no_fraction(value: object, data: str | bytes) -> None:
    if isinstance(value, float):
        raise ValueError(f"a native Int decoder fails on {value}: {str(data)[:300]}")  # noqa: TRY004 - as a decoder says it
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "cost":
                _no_fraction(item, data)
    if isinstance(value, list):
        for item in value:
            _no_fraction(item, data)


def frame_of(data: str | bytes, *, fractions: bool = False) -> ResponseFrame | EventFrame:
    """A message, told apart by its `type` as the apps do; no fractions in it.

    `fractions` lets them pass, for the one result that the apps keep as it is:
    `config.schema`, where a setting's default or bound may be one.
    """
    if not fractions:
        whole(data)
    kind = json.loads(data).get("type")
    decoder = {"res": ResponseFrame, "event": EventFrame}[kind]
    return msgspec.json.decode(data, type=decoder)


def decode_result(method: str, payload: bytes) -> Any:
    """A result, as the apps decode it."""
    return msgspec.json.decode(payload, type=(RESULTS | NODE_RESULTS | JOB_RESULTS)[method])


def decode_event(frame: EventFrame) -> Any:
    """An event's payload; an event nobody knows how to decode is an error here."""
    return msgspec.json.decode(bytes(frame.payload), type=EVENTS[frame.event])
