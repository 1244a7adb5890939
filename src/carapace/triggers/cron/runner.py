"""Runs of jobs from claim to end, each step one transaction.

A job that leaves a text does all of its work in the transaction that claims its slot. A job that
runs a turn is owed one from then on; the agent's run has an id that follows from slot and start, so
that it is never taken twice. What a restart finds owed is looked up with the agent: ended there, it
is ended here; cut, it is begun again, a few times and for an hour; never begun, it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from carapace.errors import GatewayError
from carapace.ids import AgentId, RunId
from carapace.protocol.cron import CronEvent, SystemEvent
from carapace.protocol.events import Event
from carapace.provenance import Origin, Provenance
from carapace.store.ports import Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.triggers.cron import records
from carapace.triggers.cron.outlook import after_claim, after_run, is_done_with
from carapace.triggers.cron.ports import CronParts
from carapace.triggers.cron.turns import CUT_ERROR, end_of, is_cut
from carapace.triggers.cron.types import Job, JobRun, RunEnd
from carapace.triggers.wakes import Note, leave_note
from carapace.value import Value

__all__ = ["JobRunner"]

_MAX_STARTS: Final = 3
_AGAIN_WITHIN_MS: Final = 3_600_000
_PAUSE_S: Final = 2.0
_POST_CHARS: Final = 8_000
_log = get_logger(__name__)

_Place = tuple[str, int, bool]


class _Ended(Value, frozen=True):
    """A run that has ended, with its job as it is now."""

    job: Job
    run: JobRun
    end: RunEnd
    is_removed: bool


class JobRunner:
    """Claims slots and brings their runs to an end.

    Args:
        parts: See there.
        changed: Called when a run ended, so that another may begin.
    """

    def __init__(self, parts: CronParts, changed: Callable[[], None]) -> None:
        self._parts = parts
        self._database = parts.database
        self._clock = parts.clock
        self._changed = changed
        self._tasks = Tasks("cron", _report)
        self._running: dict[_Place, asyncio.Task[None]] = {}
        self._owed: list[tuple[Job, JobRun]] = []
        self._is_stopping = False
        self.reads_back = True
        """Whether the ledger may hold runs that nothing here works on."""

    @property
    def busy(self) -> int:
        """Turns that run or are owed one."""
        return len(self._running) + len(self._owed)

    def stop(self) -> None:
        """What is cut from now on stays owed."""
        self._is_stopping = True

    async def close(self) -> None:
        """End what runs; it stays owed."""
        self.stop()
        await self._tasks.close()

    # ---- jobs that leave a text ----

    async def leave_texts(
        self, jobs: Sequence[Job], *, now_ms: int, is_forced: bool = False
    ) -> int:
        """Claim, do and end runs of these jobs in one transaction; how many there were."""
        moves = [(job, None if is_forced else after_claim(job, now_ms)) for job in jobs]

        def work(tx: Tx) -> list[_Ended]:
            found = [
                self._leave_text(tx, job, next_ms, now_ms=now_ms, is_forced=is_forced)
                for job, next_ms in moves
            ]
            return [one for one in found if one is not None]

        ended = await self._database.write(work)
        for one in ended:
            self._tell(_started(one.run))
            self._told(one)
            if one.job.spec.wake_mode == "now":
                self._parts.wake(self._agent_of(one.job), f"cron:{one.job.job_id}")
        return len(ended)

    def _leave_text(
        self, tx: Tx, job: Job, next_ms: int | None, *, now_ms: int, is_forced: bool
    ) -> _Ended | None:
        run = (
            records.force(tx, job.job_id, now_ms=now_ms)
            if is_forced
            else records.claim(tx, job, next_at_ms=next_ms, now_ms=now_ms)
        )
        payload = job.spec.payload
        if run is None or not isinstance(payload, SystemEvent):
            return None
        text = payload.text.strip()
        leave_note(tx, self._note(job, run.run_id, text, job.provenance), now_ms=now_ms)
        return self._finish(tx, run, RunEnd(status="ok", summary=text), now_ms=now_ms)

    async def skip(self, jobs: Sequence[Job], why: str, *, now_ms: int) -> None:
        """Let the slots of these jobs go by; their history says why."""
        moves = [(job, after_claim(job, now_ms)) for job in jobs]
        end = RunEnd(status="skipped", error=why)

        def work(tx: Tx) -> list[_Ended]:
            found = [
                self._finish(tx, run, end, now_ms=now_ms)
                for job, next_ms in moves
                if (run := records.claim(tx, job, next_at_ms=next_ms, now_ms=now_ms))
            ]
            return [one for one in found if one is not None]

        for one in await self._database.write(work):
            self._told(one)

    # ---- jobs that run a turn ----

    async def claim_turns(self, jobs: Sequence[Job], *, now_ms: int) -> list[asyncio.Task[None]]:
        """Claim the slots these jobs are due for, and begin their turns."""
        moves = [(job, after_claim(job, now_ms)) for job in jobs]

        def work(tx: Tx) -> list[tuple[Job, JobRun]]:
            found = [
                (job, records.claim(tx, job, next_at_ms=next_ms, now_ms=now_ms))
                for job, next_ms in moves
            ]
            return [(job, run) for job, run in found if run is not None]

        return [self._begin(job, run) for job, run in await self._database.write(work)]

    async def force_turn(self, job: Job, *, now_ms: int) -> asyncio.Task[None] | None:
        """Begin a turn that a person asked for; None if the job runs already, or is gone."""
        run = await self._database.write(lambda tx: records.force(tx, job.job_id, now_ms=now_ms))
        return None if run is None else self._begin(job, run)

    def _begin(self, job: Job, run: JobRun) -> asyncio.Task[None]:
        if run.starts == 1:
            self._tell(_started(run))
        task = self._tasks.start(self._lead(job, run), name=f"job {run.job_id}")
        self._running[_place(run)] = task
        return task

    async def _lead(self, job: Job, run: JobRun) -> None:
        """Run one turn and write down how it ended."""
        try:
            end = await self._parts.turns.run(job, run, self._agent_of(job))
            if end is not None:
                await self._end(run, end)
            elif not self._is_stopping:
                # It could not be taken now; the ledger still owes it.
                await self._clock.sleep(_PAUSE_S)
                self.reads_back = True
        except Exception as error:  # noqa: BLE001 - the ledger owes it still, whatever broke
            reason = error.message if isinstance(error, GatewayError) else repr(error)
            _log.error("a job did not end in order", job=run.job_id, reason=reason)
            await self._clock.sleep(_PAUSE_S)
            self.reads_back = True
        finally:
            self._running.pop(_place(run), None)
            self._changed()

    async def _end(self, run: JobRun, end: RunEnd) -> None:
        now_ms = self._clock.now_ms()
        ended = await self._database.write(
            lambda tx: self._finish(tx, run, end, now_ms=now_ms, posts=True)
        )
        if ended is None:
            return
        self._told(ended)
        if ended.job.spec.wake_mode == "now":
            self._parts.wake(self._agent_of(ended.job), f"cron:{run.job_id}:post")

    # ---- what the last process left ----

    async def read_back(self) -> None:
        """Find runs that are owed and that nothing here works on."""

        def look(tx: Tx) -> list[tuple[Job, JobRun]]:
            found = [(records.find(tx, run.job_id), run) for run in records.owed(tx)]
            return [(job, run) for job, run in found if job is not None]

        self.reads_back = False
        owed = await self._database.read(look)
        known = {_place(run) for _, run in self._owed} | set(self._running)
        for job, run in owed:
            if _place(run) not in known:
                await self._resume(job, run)

    def begin_owed(self, max_running: int) -> None:
        """Begin what is owed, as many at once as may be."""
        while self._owed and len(self._running) < max_running:
            self._begin(*self._owed.pop(0))

    async def _resume(self, job: Job, run: JobRun) -> None:
        outcome = await self._parts.turns.known(run)
        if outcome is None:
            self._owed.append((job, run))
        elif not is_cut(outcome):
            await self._end(run, end_of(outcome))
        elif self._is_too_late(run):
            await self._end(run, RunEnd(status="error", error=CUT_ERROR, is_ours=True))
        else:
            again = replace(run, starts=run.starts + 1)
            await self._database.write(lambda tx: records.begin_again(tx, again))
            _log.info("job begins again", job=run.job_id, run_id=again.run_id, starts=again.starts)
            self._owed.append((job, again))

    def _is_too_late(self, run: JobRun) -> bool:
        age_ms = self._clock.now_ms() - run.started_at_ms
        return run.starts >= _MAX_STARTS or age_ms > _AGAIN_WITHIN_MS

    # ---- the end of a run ----

    def _finish(
        self, tx: Tx, run: JobRun, end: RunEnd, *, now_ms: int, posts: bool = False
    ) -> _Ended | None:
        """Ledger, job, and the word to the main session; None if the run had ended."""
        job = records.find(tx, run.job_id)
        if job is None:
            return None
        after = after_run(job, run, end, now_ms)
        if not records.finish(tx, run, end, after, now_ms=now_ms):
            return None
        is_removed = is_done_with(job, end) and records.remove(tx, job.job_id)
        if posts:
            note_id = RunId(f"{run.run_id}-post")
            # An agent's words: they carry nobody's rights into the session that reads them.
            whose = job.provenance.through(Origin.SESSION)
            leave_note(tx, self._note(job, note_id, _post(job, end), whose), now_ms=now_ms)
        return _Ended(after, run, end, is_removed)

    def _note(self, job: Job, note_id: RunId, text: str, whose: Provenance) -> Note:
        agent_id = self._agent_of(job)
        return Note(
            note_id=note_id,
            session_key=self._parts.to_key(f"agent:{agent_id}:main"),
            agent_id=agent_id,
            text=text,
            provenance=whose,
            wants_turn=job.spec.wake_mode == "now",
        )

    def _agent_of(self, job: Job) -> AgentId:
        """The job's agent; the default one if that was taken out of the settings."""
        named = job.spec.agent_id
        agents = self._parts.agents
        return named if named is not None and agents.knows(named) else agents.default_id

    def _told(self, one: _Ended) -> None:
        run, end, state = one.run, one.end, one.job.state
        self._tell(
            CronEvent(
                job_id=run.job_id,
                action="finished",
                status=end.status,
                error=end.error,
                summary=end.summary,
                run_at_ms=run.started_at_ms,
                duration_ms=state.last_duration_ms,
                next_run_at_ms=state.next_run_at_ms,
            )
        )
        if one.is_removed:
            self._tell(CronEvent(job_id=run.job_id, action="removed"))

    def _tell(self, event: CronEvent) -> None:
        self._parts.publish(Event("cron", event))


def _place(run: JobRun) -> _Place:
    return run.job_id, run.slot_ms, run.is_forced


def _started(run: JobRun) -> CronEvent:
    return CronEvent(job_id=run.job_id, action="started", run_at_ms=run.started_at_ms)


def _post(job: Job, end: RunEnd) -> str:
    """What the main session hears of an isolated run."""
    wishes = job.spec.isolation
    prefix = ((wishes.post_to_main_prefix if wishes else None) or "").strip() or "Cron"
    body = (end.summary or end.error or end.status).strip()
    if wishes is not None and wishes.post_to_main_mode == "full" and end.text:
        limit = wishes.post_to_main_max_chars
        limit = _POST_CHARS if limit is None else limit
        body = end.text if len(end.text) <= limit else f"{end.text[:limit]}…"
    return f"{prefix if end.status == 'ok' else f'{prefix} ({end.status})'}: {body}"


def _report(task: str, error: BaseException) -> None:
    _log.error("a job died", task=task, exc_info=error)
