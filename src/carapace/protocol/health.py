"""Health and status: what the gateway says of itself (`health`, `status`, `last-heartbeat`).

Field names and order as the Node gateway's; whole numbers only, since the native decoders
refuse a fraction.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

__all__ = [
    "AgentHealth",
    "AgentStatus",
    "HealthParams",
    "HealthSnapshot",
    "HeartbeatHealth",
    "HeartbeatStatus",
    "RecentSession",
    "SessionsHealth",
    "SessionsStatus",
    "StatusReport",
]


class HealthParams(msgspec.Struct, rename="camel"):
    """Params of `health`; anything else in them is ignored, as the Node gateway does."""

    probe: Annotated[bool, Meta(description="Start a fresh look at once.")] = False


class RecentSession(msgspec.Struct, rename="camel"):
    """A session as health lists it: its key, when it last changed, and how long ago."""

    key: str
    updated_at: int
    age: int


class SessionsHealth(msgspec.Struct, rename="camel"):
    """Where sessions are kept, how many there are, and the five newest."""

    path: str
    count: int
    recent: list[RecentSession]


class HeartbeatHealth(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The heartbeat of one agent; `every` is "disabled" and `every_ms` null while it is off."""

    enabled: bool
    every: str
    every_ms: int | None
    prompt: str
    target: str
    ack_max_chars: int


class AgentHealth(msgspec.Struct, rename="camel"):
    """One configured agent."""

    agent_id: str
    is_default: bool
    heartbeat: HeartbeatHealth
    sessions: SessionsHealth


class HealthSnapshot(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Payload of `health`, of the `health` event and of hello-ok's snapshot.

    `configIssue` and `degraded` are ours: they appear only when something is wrong, so that a
    broken config file or a provider that is down shows wherever health is read.
    """

    ok: bool
    ts: int
    duration_ms: int
    channels: dict[str, Any]
    channel_order: list[str]
    channel_labels: dict[str, str]
    heartbeat_seconds: int
    default_agent_id: str
    agents: list[AgentHealth]
    sessions: SessionsHealth
    config_issue: str | None = None
    degraded: dict[str, str] | None = None


class HeartbeatStatus(msgspec.Struct, rename="camel"):
    """The heartbeat of one agent as `status` lists it."""

    agent_id: str
    enabled: bool
    every: str
    every_ms: int | None


class HeartbeatOverview(msgspec.Struct, rename="camel"):
    """Heartbeats of all agents."""

    default_agent_id: str
    agents: list[HeartbeatStatus]


class AgentStatus(msgspec.Struct, rename="camel"):
    """Sessions of one agent."""

    agent_id: str
    path: str
    count: int
    recent: list[dict[str, Any]]


class SessionsStatus(msgspec.Struct, rename="camel"):
    """Sessions of all agents; rows of `recent` are built by `carapace.methods.status`."""

    paths: list[str]
    count: int
    defaults: dict[str, Any]
    recent: list[dict[str, Any]]
    by_agent: list[AgentStatus]


class StatusReport(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Payload of `status`."""

    heartbeat: HeartbeatOverview
    channel_summary: list[str]
    queued_system_events: list[str]
    sessions: SessionsStatus
    config_issue: str | None = None
