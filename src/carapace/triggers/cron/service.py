"""`CronService`: what clients and agents ask of the jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Literal

from msgspec.structs import replace

from carapace.config.settings.cron import CronSettings
from carapace.errors import Failed, Refused
from carapace.ids import AgentId, new_id
from carapace.protocol.cron import (
    CronAdd,
    CronEvent,
    CronJobState,
    CronPatch,
    CronRunEntry,
    CronStatus,
)
from carapace.protocol.events import Event
from carapace.provenance import Provenance
from carapace.store.ports import Tx
from carapace.triggers.cron import records
from carapace.triggers.cron.edit import changed, spec_of
from carapace.triggers.cron.ports import CronParts
from carapace.triggers.cron.schedule import first_slot
from carapace.triggers.cron.timer import CronTimer, untaken
from carapace.triggers.cron.types import Job
from carapace.value import Value

__all__ = ["MAX_JOBS", "CronService", "Ran"]

MAX_JOBS: Final = 20_000
_MAX_TRIES: Final = 10


class Ran(Value, frozen=True):
    """What came of asking for a run."""

    is_run: bool
    reason: Literal["not-due", "already-running"] | None = None


class CronService:
    """Start `timer.run` as a task; `timer.close` before the database closes.

    Args:
        parts: See there.
        settings: `cron.*`.
        path: The database, for display.
    """

    def __init__(self, parts: CronParts, settings: CronSettings, *, path: Path) -> None:
        self._parts = parts
        self._database = parts.database
        self._clock = parts.clock
        self._path = path
        self.timer = CronTimer(parts, settings)

    async def jobs(self, *, with_disabled: bool) -> list[Job]:
        """All jobs, the next to run first."""
        return await self._database.read(
            lambda tx: records.listed(tx, with_disabled=with_disabled, max_rows=MAX_JOBS)
        )

    async def get(self, job_id: str) -> Job | None:
        """The job of that id."""
        return await self._database.read(lambda tx: records.find(tx, job_id))

    async def status(self) -> CronStatus:
        """How the scheduler stands. The store by its name alone: paths are not for all (A16)."""
        jobs, next_ms = await self._database.read(records.count)
        is_enabled = self.timer.settings.enabled
        return CronStatus(
            enabled=is_enabled,
            store_path=self._path.name,
            jobs=jobs,
            next_wake_at_ms=next_ms if is_enabled else None,
        )

    async def add(self, asked: CronAdd, provenance: Provenance) -> Job:
        """Make a job; `provenance` is whose words it will say.

        Raises:
            Refused: If it makes no sense, or there are too many.
            Failed: If the Node gateway fails on it so, or it could not be written down.
        """
        spec = spec_of(asked)
        self._check_agent(spec.agent_id, "cron.add")
        now_ms = self._clock.now_ms()
        due_ms = first_slot(spec.schedule, now_ms=now_ms, anchor_ms=now_ms)
        job = Job(
            job_id=new_id(),
            spec=spec,
            provenance=provenance,
            enabled=asked.enabled,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            revision=0,
            state=CronJobState(next_run_at_ms=due_ms if asked.enabled else None),
        )

        def work(tx: Tx) -> None:
            if records.count(tx)[0] >= MAX_JOBS:
                raise Refused(f"There are {MAX_JOBS} jobs already; remove some with cron.remove.")
            records.insert(tx, job)

        await self._database.write(work)
        self._tell("added", job)
        return job

    async def update(self, job_id: str, patch: CronPatch) -> Job:
        """Change a job; when it is due is worked out anew.

        Raises:
            Refused: If the patch makes no sense.
            Failed: If there is no such job, or it could not be written down.
        """
        for _ in range(_MAX_TRIES):
            job = changed(await self._known(job_id), patch)
            self._check_agent(job.spec.agent_id, "cron.update")
            now_ms = self._clock.now_ms()

            def work(tx: Tx, job: Job = job, now_ms: int = now_ms) -> bool:
                return _replace(tx, job, now_ms)

            if await self._database.write(work):
                new = await self._known(job_id)
                self._tell("updated", new)
                return new
        raise Failed("The job is being changed by somebody else; try again.", retryable=True)

    async def remove(self, job_id: str) -> bool:
        """Forget a job with its history; a run of it goes on unheard. False if there is none."""
        is_removed = await self._database.write(lambda tx: records.remove(tx, job_id))
        if is_removed:
            self._parts.publish(Event("cron", CronEvent(job_id=job_id, action="removed")))
        return is_removed

    async def run_job(self, job_id: str, *, is_forced: bool, waits: bool = True) -> Ran:
        """Run a job now; unforced only if it is due.

        Args:
            job_id: Which.
            is_forced: Whether it runs whatever the time.
            waits: Whether to return once it has ended, not once it has begun.

        Raises:
            Failed: If there is no such job, or it could not be written down.
        """
        job = await self._known(job_id)
        runner, now_ms = self.timer.runner, self._clock.now_ms()
        due_ms = job.state.next_run_at_ms
        if not is_forced and (due_ms is None or due_ms > now_ms):
            return Ran(is_run=False, reason="not-due")
        if not job.needs_turn:
            count = await runner.leave_texts([job], now_ms=now_ms, is_forced=is_forced)
            return Ran(is_run=True) if count else Ran(is_run=False, reason="already-running")
        if is_forced:
            task = await runner.force_turn(job, now_ms=now_ms)
        else:
            task = next(iter(await runner.claim_turns([job], now_ms=now_ms)), None)
        if task is None:
            return Ran(is_run=False, reason="already-running")
        if waits:
            # Waited for, not awaited: a client that leaves does not end the run.
            await asyncio.wait({task})
        return Ran(is_run=True)

    async def runs(self, job_id: str, limit: int) -> list[CronRunEntry]:
        """The newest runs of a job that have ended, the oldest of them first."""
        return await self._database.read(lambda tx: records.ended_runs(tx, job_id, limit=limit))

    async def _known(self, job_id: str) -> Job:
        job = await self.get(job_id)
        if job is None:
            raise Failed(f"Error: unknown cron job id: {job_id[:200]}")
        return job

    def _check_agent(self, agent_id: AgentId | None, method: str) -> None:
        if agent_id is not None and not self._parts.agents.knows(agent_id):
            raise Refused(f'invalid {method} params: unknown agent id "{agent_id[:64]}"')

    def _tell(self, action: Literal["added", "updated"], job: Job) -> None:
        event = CronEvent(job_id=job.job_id, action=action, next_run_at_ms=job.state.next_run_at_ms)
        self._parts.publish(Event("cron", event))
        self.timer.ring()


def _replace(tx: Tx, job: Job, now_ms: int) -> bool:
    """Write a changed job down with its next slot, one that was not run before."""
    due_ms = None
    if job.enabled:
        due_ms = first_slot(job.spec.schedule, now_ms=now_ms, anchor_ms=job.created_at_ms)
        due_ms = untaken(tx, job, due_ms, now_ms=now_ms)
    new = replace(job.with_next(due_ms), updated_at_ms=now_ms)
    return records.replace_job(tx, new, now_ms=now_ms)
