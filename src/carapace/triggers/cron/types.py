"""A job as the scheduler sees it, and one run of it."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec
from msgspec.structs import replace

from carapace.ids import AgentId, RunId
from carapace.protocol.cron import (
    CronIsolation,
    CronJob,
    CronJobState,
    Payload,
    RunStatus,
    Schedule,
    SessionTarget,
    WakeMode,
)
from carapace.provenance import Provenance
from carapace.value import Value

__all__ = ["CronSpec", "Job", "JobRun", "RunEnd", "run_id_of"]

_RUNS: Final = uuid.UUID("6d6b7a0e-3f0a-5a3b-9b0e-8f5f1f6f2c11")


class CronSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a person chose of a job; kept as JSON."""

    name: str
    schedule: Schedule
    session_target: SessionTarget
    wake_mode: WakeMode
    payload: Payload
    description: str | None = None
    agent_id: AgentId | None = None
    delete_after_run: bool | None = None
    isolation: CronIsolation | None = None


class Job(Value, frozen=True, kw_only=True):
    """One job with its state.

    Attributes:
        job_id: Random.
        spec: What was chosen.
        provenance: Whose words it will say.
        enabled: Whether it has slots.
        revision: Grows with each change by a person; a claim made for another one fails.
        state: How it stands.
    """

    job_id: str
    spec: CronSpec
    provenance: Provenance
    enabled: bool
    created_at_ms: int
    updated_at_ms: int
    revision: int
    state: CronJobState

    @property
    def needs_turn(self) -> bool:
        """Whether it runs a turn of its own; otherwise it leaves a text."""
        return self.spec.session_target == "isolated"

    def wire(self) -> CronJob:
        """As clients see it."""
        spec = self.spec
        return CronJob(
            id=self.job_id,
            agent_id=spec.agent_id,
            name=spec.name,
            description=spec.description,
            enabled=self.enabled,
            delete_after_run=spec.delete_after_run,
            created_at_ms=self.created_at_ms,
            updated_at_ms=self.updated_at_ms,
            schedule=spec.schedule,
            session_target=spec.session_target,
            wake_mode=spec.wake_mode,
            payload=spec.payload,
            isolation=spec.isolation,
            state=self.state,
        )

    def with_next(self, next_at_ms: int | None) -> Job:
        """The same, due at another time."""
        state = msgspec.structs.replace(self.state, next_run_at_ms=next_at_ms)
        return replace(self, state=state)


class JobRun(Value, frozen=True, kw_only=True):
    """One slot that was claimed.

    Attributes:
        job_id: Whose.
        slot_ms: When it was due; of a forced run, when it was asked for.
        is_forced: Whether a person asked for it.
        starts: How often it was begun; more than once after a restart cut it.
        started_at_ms: When it was claimed.
        run_id: Of the agent's run, if the job makes one.
    """

    job_id: str
    slot_ms: int
    is_forced: bool
    starts: int
    started_at_ms: int

    @property
    def run_id(self) -> RunId:
        """The same for the same slot and start, so that the agent never takes one twice."""
        return run_id_of(self.job_id, self.slot_ms, self.starts, is_forced=self.is_forced)


class RunEnd(Value, frozen=True, kw_only=True):
    """How a run ended.

    Attributes:
        status: In clients' words.
        summary: What was said, shortened.
        error: Why not, with `error` and `skipped`.
        text: All that was said.
        is_ours: An error of the gateway's, which says nothing about the job: it does not rest.
    """

    status: RunStatus
    summary: str | None = None
    error: str | None = None
    text: str = ""
    is_ours: bool = False


def run_id_of(job_id: str, slot_ms: int, starts: int, *, is_forced: bool) -> RunId:
    """The id of the agent's run for one start of one slot."""
    kind = "forced" if is_forced else "slot"
    return RunId(str(uuid.uuid5(_RUNS, f"{job_id}/{kind}/{slot_ms}/{starts}")))
