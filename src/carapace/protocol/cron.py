"""Jobs that start by the clock, as clients see them: `cron.*` and the event `cron`.

Field names and order as the Node gateway's. What comes in is looser than what goes out: a schedule
may give its moment as text, and kinds follow from the fields where they are left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "AgentTurn",
    "AtSchedule",
    "CronAdd",
    "CronEvent",
    "CronId",
    "CronIsolation",
    "CronJob",
    "CronJobState",
    "CronJobs",
    "CronList",
    "CronPatch",
    "CronPayloadIn",
    "CronRan",
    "CronRemoved",
    "CronRun",
    "CronRunEntry",
    "CronRuns",
    "CronRunsEntries",
    "CronSchedule",
    "CronScheduleIn",
    "CronStatus",
    "CronUpdate",
    "EverySchedule",
    "Payload",
    "RunStatus",
    "Schedule",
    "SessionTarget",
    "SystemEvent",
    "WakeMode",
]

_MAX_SAFE_INT = 2**53 - 1
_MAX_TEXT = 32_768
_Ms = Annotated[int, Meta(ge=0, le=_MAX_SAFE_INT)]
_StepMs = Annotated[int, Meta(ge=1, le=_MAX_SAFE_INT)]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Text = Annotated[str, Meta(min_length=1, max_length=_MAX_TEXT)]
_Word = Annotated[str, Meta(max_length=512)]
_Id = Annotated[str, Meta(min_length=1, max_length=200)]

SessionTarget = Literal["main", "isolated"]
WakeMode = Literal["next-heartbeat", "now"]
RunStatus = Literal["ok", "error", "skipped"]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class AtSchedule(
    msgspec.Struct, rename="camel", tag_field="kind", tag="at", frozen=True, omit_defaults=True
):
    """Once, at a moment."""

    at_ms: _Ms


class EverySchedule(
    msgspec.Struct, rename="camel", tag_field="kind", tag="every", frozen=True, omit_defaults=True
):
    """Again and again, a number of milliseconds apart, counted from an anchor."""

    every_ms: _StepMs
    anchor_ms: _Ms | None = None


class CronSchedule(
    msgspec.Struct, rename="camel", tag_field="kind", tag="cron", frozen=True, omit_defaults=True
):
    """By a cron expression, in a time zone or UTC."""

    expr: str
    tz: str | None = None


Schedule = AtSchedule | EverySchedule | CronSchedule


class SystemEvent(msgspec.Struct, rename="camel", tag_field="kind", tag="systemEvent", frozen=True):
    """A text for the main session."""

    text: str


class AgentTurn(
    msgspec.Struct,
    rename="camel",
    tag_field="kind",
    tag="agentTurn",
    frozen=True,
    omit_defaults=True,
    kw_only=True,
):
    """A message that is run in a session of its own."""

    message: str
    model: str | None = None
    thinking: str | None = None
    timeout_seconds: int | None = None
    deliver: bool | None = None
    channel: str | None = None
    to: str | None = None
    best_effort_deliver: bool | None = None


Payload = SystemEvent | AgentTurn


class CronIsolation(_In, omit_defaults=True):
    """How the main session hears of an isolated run."""

    post_to_main_prefix: _Word | None = None
    post_to_main_mode: Literal["summary", "full"] | None = None
    post_to_main_max_chars: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class CronScheduleIn(_In):
    """A schedule as it comes in; `at` (ISO 8601) or `atMs`, `everyMs`, or `expr`."""

    kind: Literal["at", "every", "cron"] | None = None
    at: _Word | None = None
    at_ms: _Ms | Annotated[str, Meta(max_length=64)] | None = None
    every_ms: _StepMs | None = None
    anchor_ms: _Ms | None = None
    expr: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    tz: _Word | None = None


class CronPayloadIn(_In, kw_only=True):
    """A payload as it comes in, whole or as a patch."""

    kind: Literal["systemEvent", "agentTurn"]
    text: _Text | None = None
    message: _Text | None = None
    model: _Word | None = None
    thinking: _Word | None = None
    timeout_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    deliver: bool | None = None
    channel: _Id | None = None
    provider: _Id | None = None
    to: _Word | None = None
    best_effort_deliver: bool | None = None


class CronList(_In):
    """Params of `cron.list`."""

    include_disabled: bool = False


class CronAdd(_In, kw_only=True):
    """Params of `cron.add`."""

    name: _Name
    schedule: CronScheduleIn
    session_target: SessionTarget | None = None
    wake_mode: WakeMode = "next-heartbeat"
    payload: CronPayloadIn
    agent_id: _Id | None = None
    description: Annotated[str, Meta(max_length=2_000)] | None = None
    enabled: bool = True
    delete_after_run: bool | None = None
    isolation: CronIsolation | None = None


class CronPatch(_In, kw_only=True):
    """What `cron.update` changes; a field that is absent stays as it is."""

    name: _Name | msgspec.UnsetType = msgspec.UNSET
    agent_id: _Id | msgspec.UnsetType | None = msgspec.UNSET
    description: Annotated[str, Meta(max_length=2_000)] | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    delete_after_run: bool | msgspec.UnsetType = msgspec.UNSET
    schedule: CronScheduleIn | msgspec.UnsetType = msgspec.UNSET
    session_target: SessionTarget | msgspec.UnsetType = msgspec.UNSET
    wake_mode: WakeMode | msgspec.UnsetType = msgspec.UNSET
    payload: CronPayloadIn | msgspec.UnsetType = msgspec.UNSET
    isolation: CronIsolation | msgspec.UnsetType = msgspec.UNSET


class CronUpdate(_In, kw_only=True):
    """Params of `cron.update`: `id`, or `jobId` as older clients say."""

    id: _Id | None = None
    job_id: _Id | None = None
    patch: CronPatch


class CronId(_In, kw_only=True):
    """Params of `cron.remove`."""

    id: _Id | None = None
    job_id: _Id | None = None


class CronRun(_In, kw_only=True):
    """Params of `cron.run`; without `mode` only a job that is due runs."""

    id: _Id | None = None
    job_id: _Id | None = None
    mode: Literal["due", "force"] = "due"


class CronRuns(_In, kw_only=True):
    """Params of `cron.runs`."""

    id: _Id | None = None
    job_id: _Id | None = None
    limit: Annotated[int, Meta(ge=1, le=5_000)] = 200


class CronJobState(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """How a job stands. The last two are ours: it failed so often, and rests so long."""

    next_run_at_ms: int | None = None
    running_at_ms: int | None = None
    last_run_at_ms: int | None = None
    last_status: RunStatus | None = None
    last_error: str | None = None
    last_duration_ms: int | None = None
    consecutive_errors: int = 0
    backoff_until_ms: int | None = None


class CronJob(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """One job."""

    id: str
    agent_id: str | None = None
    name: str
    description: str | None = None
    enabled: bool
    delete_after_run: bool | None = None
    created_at_ms: int
    updated_at_ms: int
    schedule: Schedule
    session_target: SessionTarget
    wake_mode: WakeMode
    payload: Payload
    isolation: CronIsolation | None = None
    state: CronJobState


class CronJobs(msgspec.Struct):
    """Answer of `cron.list`, the next to run first."""

    jobs: list[CronJob]


class CronStatus(msgspec.Struct, rename="camel"):
    """Answer of `cron.status`."""

    enabled: bool
    store_path: str
    jobs: int
    next_wake_at_ms: int | None


class CronRemoved(msgspec.Struct):
    """Answer of `cron.remove`."""

    ok: bool
    removed: bool


class CronRan(msgspec.Struct, omit_defaults=True):
    """Answer of `cron.run`; `reason` says why it did not run."""

    ok: bool
    ran: bool
    reason: Literal["not-due", "already-running"] | None = None


class CronRunEntry(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One run that has ended."""

    ts: int
    job_id: str
    action: Literal["finished"]
    status: RunStatus | None = None
    error: str | None = None
    summary: str | None = None
    run_at_ms: int | None = None
    duration_ms: int | None = None
    next_run_at_ms: int | None = None


class CronRunsEntries(msgspec.Struct):
    """Answer of `cron.runs`, the oldest first."""

    entries: list[CronRunEntry]


class CronEvent(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True, frozen=True):
    """Payload of the event `cron`."""

    job_id: str
    action: Literal["added", "updated", "removed", "started", "finished"]
    status: RunStatus | None = None
    error: str | None = None
    summary: str | None = None
    run_at_ms: int | None = None
    duration_ms: int | None = None
    next_run_at_ms: int | None = None
