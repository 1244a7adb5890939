"""The one timer of all jobs: sleeps until the next is due, and notices when the clock jumps.

Slots that passed while nothing looked (the gateway was down, the clock jumped, the job still ran)
come to one run, never to many; `cron.catchUp` may have them skipped instead. A clock that goes back
by up to a day waits for its time to come again: what ran does not run twice. Beyond that the clock
was wrong before, and due times are worked out anew, without slots that the ledger knows.
"""

from __future__ import annotations

import asyncio
from typing import Final

from carapace.config.settings.cron import CronSettings
from carapace.errors import GatewayError
from carapace.protocol.cron import AtSchedule
from carapace.store.ports import Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.triggers.cron import records
from carapace.triggers.cron.ports import CronParts
from carapace.triggers.cron.runner import JobRunner
from carapace.triggers.cron.schedule import next_slot
from carapace.triggers.cron.types import Job

__all__ = ["BATCH", "CronTimer", "untaken"]

BATCH: Final = 50
"""Jobs dealt with in one transaction; others wait for the disk behind it."""
_LOOK_S: Final = 30.0
_DISK_PAUSE_S: Final = 2.0
_MISSED_MS: Final = 60_000
_BACK_MS: Final = 25 * 3_600_000
_MAX_TAKEN: Final = 1_000
_MISSED: Final = "missed while the gateway did not run or its clock jumped"
_log = get_logger(__name__)


class CronTimer:
    """Start `run` as a task.

    Args:
        parts: See there.
        settings: `cron.*`.
    """

    def __init__(self, parts: CronParts, settings: CronSettings) -> None:
        self._database = parts.database
        self._clock = parts.clock
        self._settings = settings
        self._bell = asyncio.Event()
        self._tasks = Tasks("cron timer", _report)
        self._is_stopping = False
        self._is_waiting = False
        self._latest_ms = 0
        self._offset_s: float | None = None
        self.runner = JobRunner(parts, self.ring)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for the clock, with nothing left to do now."""
        return self._is_waiting and not self._bell.is_set()

    @property
    def settings(self) -> CronSettings:
        """As they are now."""
        return self._settings

    def apply(self, settings: CronSettings) -> None:
        """Take new settings; runs go on."""
        self._settings = settings
        self.ring()

    def ring(self) -> None:
        """Something changed: look again."""
        self._bell.set()

    async def run(self) -> None:
        """Follow the clock until `stop`."""
        while not self._is_stopping:
            self._bell.clear()
            try:
                wait_s = await self._step()
            except Exception as error:  # noqa: BLE001 - without this loop no job ever runs again
                reason = error.message if isinstance(error, GatewayError) else repr(error)
                _log.error("jobs wait: what is due cannot be read or written", reason=reason)
                self.runner.reads_back = True
                wait_s = _DISK_PAUSE_S
            if wait_s > 0:
                await self._wait(wait_s)

    def stop(self) -> None:
        """Start nothing more."""
        self._is_stopping = True
        self.runner.stop()
        self.ring()

    async def close(self) -> None:
        """End what runs; what was owed stays owed."""
        self.stop()
        await self._tasks.close()
        await self.runner.close()

    async def _step(self) -> float:
        """Do what is due; how long to wait for more."""
        if not self._settings.enabled:
            return _LOOK_S
        if self.runner.reads_back:
            await self.runner.read_back()
        now_ms = self._clock.now_ms()
        await self._watch_clock(now_ms)
        self.runner.begin_owed(self._settings.max_concurrent_runs)
        texts = await self._due(now_ms, BATCH, needs_turn=False)
        if texts:
            await self.runner.leave_texts(texts, now_ms=now_ms)
        turns = await self._due(now_ms, self._free, needs_turn=True)
        if turns:
            await self.runner.claim_turns(turns, now_ms=now_ms)
        if texts or turns:
            return 0.0
        due_ms = await self._database.read(self._next_due)
        if due_ms is None:
            return _LOOK_S
        return min(_LOOK_S, max(0.0, (due_ms - self._clock.now_ms()) / 1000))

    @property
    def _free(self) -> int:
        return max(0, self._settings.max_concurrent_runs - self.runner.busy)

    async def _due(self, now_ms: int, max_rows: int, *, needs_turn: bool) -> list[Job]:
        if max_rows == 0:
            return []
        return await self._database.read(
            lambda tx: records.due(tx, needs_turn=needs_turn, now_ms=now_ms, max_rows=max_rows)
        )

    def _next_due(self, tx: Tx) -> int | None:
        """When there is something to do that can be done."""
        found = [records.next_due_ms(tx, needs_turn=False)]
        if self._free:
            found.append(records.next_due_ms(tx, needs_turn=True))
        return min((one for one in found if one is not None), default=None)

    # ---- the clock ----

    async def _watch_clock(self, now_ms: int) -> None:
        """Notice jumps of the wall clock, against the one that only grows."""
        if not self._latest_ms:
            self._latest_ms = await self._database.read(records.latest_start_ms) or now_ms
        if now_ms < self._latest_ms - _BACK_MS:
            _log.warning("the clock went back by more than a day; jobs are planned anew")
            await self._plan_anew(now_ms)
            self._latest_ms = now_ms
        self._latest_ms = max(self._latest_ms, now_ms)
        offset_s = now_ms / 1000 - self._clock.monotonic()
        before_s, self._offset_s = self._offset_s, offset_s
        jumped = before_s is None or offset_s > before_s + _MISSED_MS / 1000
        if jumped and self._settings.catch_up == "skip":
            await self._skip_missed(now_ms)

    async def _skip_missed(self, now_ms: int) -> None:
        for needs_turn in (False, True):
            while jobs := await self._due(now_ms - _MISSED_MS, BATCH, needs_turn=needs_turn):
                await self.runner.skip(jobs, _MISSED, now_ms=now_ms)

    async def _plan_anew(self, now_ms: int) -> None:
        """Work out when jobs are due, for a clock that was far ahead."""
        after_id = ""
        while jobs := await self._waiting(now_ms, after_id):
            after_id = jobs[-1].job_id
            await self._database.write(lambda tx, jobs=jobs: _plan(tx, jobs, now_ms))

    async def _waiting(self, now_ms: int, after_id: str) -> list[Job]:
        return await self._database.read(
            lambda tx: records.waiting(tx, now_ms=now_ms, after_id=after_id, max_rows=BATCH)
        )

    async def _wait(self, delay_s: float) -> None:
        """Until something changed, at most `delay_s`."""
        if self._is_stopping or self._bell.is_set():
            return
        alarm = self._tasks.start(self._alarm(delay_s), name="alarm")
        self._is_waiting = True
        try:
            await self._bell.wait()
        finally:
            self._is_waiting = False
            alarm.cancel()

    async def _alarm(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self.ring()


def untaken(tx: Tx, job: Job, due_ms: int | None, *, now_ms: int) -> int | None:
    """`due_ms`, or the first slot after it that was not run before.

    A job that runs once and did is done; one that failed is due now.
    """
    schedule = job.spec.schedule
    for _ in range(_MAX_TAKEN):
        if due_ms is None or not records.is_taken(tx, job.job_id, due_ms):
            return due_ms
        if isinstance(schedule, AtSchedule):
            return now_ms if job.state.last_status == "error" else None
        due_ms = next_slot(schedule, after_ms=due_ms, anchor_ms=job.created_at_ms)
    return due_ms


def _plan(tx: Tx, jobs: list[Job], now_ms: int) -> None:
    for job in jobs:
        schedule, was_ms = job.spec.schedule, job.state.next_run_at_ms
        if isinstance(schedule, AtSchedule) or was_ms is None:
            continue
        due_ms = next_slot(schedule, after_ms=now_ms, anchor_ms=job.created_at_ms)
        due_ms = untaken(tx, job, due_ms, now_ms=now_ms)
        if due_ms is not None and due_ms < was_ms:
            records.set_next(tx, job, due_ms)


def _report(task: str, error: BaseException) -> None:
    _log.error("the timer of the jobs died", task=task, exc_info=error)
