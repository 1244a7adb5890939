"""`AgentService`: messages in, runs out.

In this order: a place in the session's lane is reserved, the message and what is owed for it
are written down, and only then is it acknowledged. From there on each run ends with exactly
one outcome, whatever happens to its client, its model or this process: what a restart finds
owed is marked as cut and reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from msgspec.structs import replace

from carapace.agent import records
from carapace.agent.acceptance import (
    of_session,
    reply_outcome,
    submission_of,
    write_message,
    write_reply,
)
from carapace.agent.budget import Budget
from carapace.agent.commands import ChatCommands
from carapace.agent.delivery import Delivery
from carapace.agent.ending import CUT_TEXT
from carapace.agent.events import chat_final
from carapace.agent.lanes import Lanes
from carapace.agent.profiles import Profiles
from carapace.agent.records import TurnRow
from carapace.agent.runs import Run, RunBook
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.turn import ModelSource, Turns
from carapace.agent.types import (
    CutRun,
    RunOutcome,
    RunUpdate,
    StopReason,
    Submission,
)
from carapace.channels.commands import ChatCommand, CommandName
from carapace.clock import Clock
from carapace.errors import Failed, GatewayError, Refused
from carapace.hooks.bus import HookBus
from carapace.ids import RunId, SessionKey
from carapace.protocol.events import Publish
from carapace.protocol.models import ModelInfo
from carapace.sessions import records as session_records
from carapace.sessions.service import Sessions
from carapace.sessions.types import Touch
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["CUT_REPORT_S", "GRACE_S", "Accepted", "AgentService", "Children"]

GRACE_S: Final = 5.0
CUT_REPORT_S: Final = 600.0
_KEEP_TURNS_MS: Final = 7 * 24 * 3_600_000
_STOPPED: Final = "Stopped."
_NOTHING_RAN: Final = "There was nothing to stop."
_BLANK_TEXT: Final = "That message was empty. Send some text or a picture."
_GREETING: Final = (
    "This is a new session. Greet the user in one or two short sentences and ask what they "
    "would like to do. Say nothing about these instructions."
)
_log = get_logger(__name__)


Children = Callable[[SessionKey, RunId | None], Sequence[SessionKey]]
"""Sessions of sub-agents that run for a conversation, or for one turn of it."""


def _no_children(_parent: SessionKey, _run_id: RunId | None) -> Sequence[SessionKey]:
    return ()


class Accepted(Value, frozen=True):
    """A run that is on disk, and whether this very message began it."""

    run: Run
    is_new: bool


class AgentService:
    """Takes messages, runs their turns in order, remembers how they ended.

    Args:
        database: Where messages and turns are written down.
        sessions: The conversations.
        models: Who can answer.
        profiles: The agents.
        tools: What models may call.
        memory: What agents remember.
        budget: Hard caps.
        publish: Takes every event of every run.
        clock: For all times and deadlines.
        metrics: Counts turns.
        max_concurrent: Turns at once, `agents.defaults.maxConcurrent`.
        hooks: For the life of turns.
        delivery: Sends answers to where their messages came from.
        catalogue: The models that `/model list` names.

    Attributes:
        children: See `Children`; whoever starts sub-agents sets it.
    """

    def __init__(
        self,
        *,
        database: Database,
        sessions: Sessions,
        models: ModelSource,
        profiles: Profiles,
        tools: ToolRunner,
        memory: MemoryStore,
        budget: Budget,
        publish: Publish,
        clock: Clock,
        metrics: Metrics,
        max_concurrent: int,
        hooks: HookBus | None = None,
        delivery: Delivery | None = None,
        catalogue: Callable[[], Sequence[ModelInfo]] = tuple,
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._sessions = sessions
        self._profiles = profiles
        self._publish = publish
        self._clock = clock
        self._metrics = metrics
        self._lanes = Lanes(max_running=max_concurrent)
        self._book = RunBook()
        self._tasks = Tasks("agent", _report)
        self._commands = ChatCommands(
            sessions,
            profiles,
            catalogue=catalogue,
            knows_model=models.resolve,
            clock=clock,
            waiting=self._standing,
        )
        self.children: Children = _no_children
        self._is_draining = False
        self._came = asyncio.Event()
        self._cut: tuple[CutRun, ...] = ()
        self._cut_until_s = 0.0
        self._turns = Turns(
            database=database,
            sessions=sessions,
            models=models,
            profiles=profiles,
            tools=tools,
            memory=memory,
            budget=budget,
            publish=publish,
            clock=clock,
            metrics=metrics,
            waiting=self._waiting,
            hooks=hooks,
            delivery=delivery,
        )

    @property
    def running(self) -> int:
        """Turns that have their lane."""
        return self._lanes.running

    @property
    def queued(self) -> int:
        """Turns that wait for it."""
        return self._lanes.queued

    def apply(self, *, max_concurrent: int) -> None:
        """Take a new cap; running turns go on."""
        self._lanes.max_running = max_concurrent
        self._pump()

    # ---- messages in ----

    async def submit(self, submission: Submission) -> Run:
        """As `accept`, for callers that do not mind whether the run is new."""
        return (await self.accept(submission)).run

    async def accept(self, submission: Submission) -> Accepted:
        """Take a message; when this returns it is on disk and will get an outcome.

        The same run id again gives the same run, live or ended, also after a restart.

        Raises:
            Refused: If too many wait, the session may not send (`SendBlocked`), or the run id
                belongs to another session.
            Failed: If the message could not be written down, or the gateway stops.
        """
        joined = await self._join(submission)
        if joined is not None:
            return Accepted(joined, is_new=False)
        if self._is_draining:
            raise Failed("the gateway is stopping; send the message again shortly", retryable=True)
        command = submission.command
        is_blank = not (submission.message.strip() or submission.images or submission.tool_results)
        if command is None and not is_blank:
            return await self._enqueue(submission)
        row = await self._database.read(lambda tx: records.find(tx, submission.run_id))
        if row is not None:
            return await self._again(submission, row)
        if command is None:
            return await self._reply(submission, _BLANK_TEXT)
        return await self._obey(submission, command)

    async def _obey(self, submission: Submission, command: ChatCommand) -> Accepted:
        """Do what was typed: a new session and a summary are turns, the rest is answered here."""
        match command.name:
            case CommandName.NEW:
                return await self._enqueue(await self._renew(submission, command))
            case CommandName.COMPACT:
                return await self._enqueue(submission)
            case CommandName.STOP:
                ended = await self.abort(submission.session_key, reason=StopReason.STOP)
                return await self._reply(submission, _STOPPED if ended else _NOTHING_RAN)
            case _:
                text = await self._commands.answer(submission, command)
                return await self._reply(submission, text)

    async def _again(self, submission: Submission, row: TurnRow) -> Accepted:
        """A command whose run was written down before: it is not done a second time."""
        if row.outcome is None:
            return await self._enqueue(submission)
        return Accepted(self._replay(row, submission.session_key), is_new=False)

    async def recent(self, run_id: RunId) -> Run | None:
        """The run of that id if it lives or ended lately, without asking the database."""
        run = self._book.get(run_id, self._clock.monotonic())
        if run is not None:
            await run.settled()
            if run.session_id:
                return run
        return None

    async def find(self, run_id: RunId) -> Run | None:
        """The run of that id: live, ended lately, or as its row tells."""
        run = await self.recent(run_id)
        if run is not None:
            return run
        row = await self._database.read(lambda tx: records.find(tx, run_id))
        if row is None or row.outcome is None:
            return None
        return self._replay(row)

    async def wait(self, run_id: RunId, timeout_s: float) -> RunOutcome | None:
        """The outcome of a run, once it has one; None if that takes longer than `timeout_s`.

        A run that nobody has heard of yet is waited for as well.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    came = self._came
                    run = await self.find(run_id)
                    if run is not None:
                        return await run.ended()
                    await came.wait()
        except TimeoutError:
            return None

    async def updates(self, run_id: RunId) -> AsyncGenerator[RunUpdate, None]:
        """Text and end of a run, for streaming over HTTP; nothing for an unknown run."""
        run = await self.find(run_id)
        if run is not None:
            async for update in run.updates():
                yield update

    async def inject(self, shown_key: str, message: str, label: str | None = None) -> str:
        """Put a message into a transcript without a model, and show it; its id.

        Raises:
            Refused: If there is no such session.
        """
        stored = await self._sessions.inject(shown_key, message, label)
        event = chat_final(
            f"inject-{stored.message_id}",
            shown_key,
            seq=0,
            text=stored.text,
            ts_ms=stored.timestamp_ms,
            injected=True,
        )
        self._publish(event)
        return stored.message_id

    def forget_history(self, session_key: SessionKey) -> None:
        """Let a session's decoded messages go, after it was reset, deleted or compacted."""
        self._turns.forget_history(session_key)

    # ---- ending early ----

    async def abort(
        self,
        session_key: SessionKey,
        run_id: RunId | None = None,
        reason: StopReason = StopReason.RPC,
    ) -> tuple[RunId, ...]:
        """End one run of a session, or all of them, waiting ones and sub-agents included.

        Gives the ids of those that were ended.

        Watchers hear of it at once; what was said so far is written down right after.

        Raises:
            Refused: If the run belongs to another session.
        """
        if run_id is None:
            runs = list(self._book.live(session_key))
        else:
            run = self._book.get(run_id, self._clock.monotonic())
            runs = [run] if run is not None and run.outcome is None else []
            if any(run.session_key != session_key for run in runs):
                raise Refused("runId does not match sessionKey")
        ended = [run.run_id for run in runs if self._stop(run, reason)]
        for child in self.children(session_key, run_id):
            ended += await self.abort(child, reason=reason)
        return tuple(ended)

    async def quiet(self, session_key: SessionKey) -> None:
        """End all runs of a session and wait until they are written down.

        Raises:
            Failed: If one does not end within `GRACE_S`.
        """
        runs = list(self._book.live(session_key))
        await self.abort(session_key, reason=StopReason.STOP)
        try:
            async with asyncio.timeout(GRACE_S):
                for run in runs:
                    await run.ended()
        except TimeoutError:
            text = f"Session {session_key} is still active; try again in a moment."
            raise Failed(text, retryable=True) from None

    def _stop(self, run: Run, reason: StopReason) -> bool:
        if not run.session_id or not run.stop(reason):
            return False
        if reason is not StopReason.SHUTDOWN:
            for event in run.reply.abort(reason):
                self._publish(event)
        if self._lanes.withdraw(run.session_key, run.run_id):
            self._tasks.start(self._end_unstarted(run), name=f"end {run.run_id}")
        return True

    async def _end_unstarted(self, run: Run) -> None:
        """Write down the end of a run that was stopped while it waited."""
        self._ended(run, await self._turns.close(run))

    # ---- start and stop of the house ----

    async def recover(self) -> tuple[CutRun, ...]:
        """Mark what the last process left unfinished as cut; call once, before `submit`.

        Returns:
            Runs to report to clients: those cut now and in the last ten minutes.
        """
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> tuple[CutRun, ...]:
            for key in records.cut_owed(tx, error=CUT_TEXT, now_ms=now_ms):
                session_records.touch(tx, key, Touch(aborted_last_run=True), now_ms=now_ms)
            records.prune(tx, now_ms - _KEEP_TURNS_MS)
            return records.cut_since(tx, now_ms - round(CUT_REPORT_S * 1000))

        self._cut = await self._database.write(work)
        self._cut_until_s = self._clock.monotonic() + CUT_REPORT_S
        if self._cut:
            _log.warning("runs were cut by the restart", runs=len(self._cut))
        return self._cut

    def cut_runs(self) -> tuple[CutRun, ...]:
        """Runs that a client which connects now should hear were cut; none after ten minutes."""
        return self._cut if self._clock.monotonic() < self._cut_until_s else ()

    async def drain(self, deadline_s: float, *, grace_s: float = GRACE_S) -> bool:
        """Take no more, let turns end until the deadline, then cut the rest; True if none was.

        What is cut is written down and told to its watchers, as after a crash.
        """
        self._is_draining = True
        for run in list(self._book.live()):
            if run.task is None:
                self._stop(run, StopReason.SHUTDOWN)
        is_clean = await self._tasks.drain(deadline_s)
        for run in list(self._book.live()):
            self._stop(run, StopReason.SHUTDOWN)
        await self._tasks.drain(grace_s)
        await self._tasks.close()
        return is_clean

    # ---- acceptance ----

    async def _join(self, submission: Submission) -> Run | None:
        """The run of that id if it is in memory, once it is on disk."""
        while True:
            run = self._book.get(submission.run_id, self._clock.monotonic())
            if run is None:
                return None
            of_session(run, submission.session_key)
            await run.settled()
            if run.session_id:
                return run

    async def _enqueue(self, submission: Submission) -> Accepted:
        joined = await self._join(submission)
        if joined is not None:
            return Accepted(joined, is_new=False)
        # From here to `add` nothing waits: two submissions of one id must not both get in.
        key = submission.session_key
        read_opening = self._turns.opening if self._lanes.is_free(key) else None
        self._lanes.reserve(key)
        run = Run(submission, accepted_at_ms=self._clock.now_ms())
        self._book.add(run)
        try:
            policy = self._sessions.policy.send_policy
            row = await self._database.write(
                lambda tx: write_message(tx, run, read_opening, policy)
            )
        except BaseException:
            self._lanes.give_up(key)
            self._book.forget(run)
            run.settle()
            raise
        if row.outcome is not None or row.session_key != key:
            self._lanes.give_up(key)
            self._book.forget(run)
            run.settle()
            return Accepted(self._replay(row, key), is_new=False)
        run.session_id = row.session_id
        run.settle()
        self._begun(run)
        self._lanes.enqueue(key, run.run_id)
        self._announce()
        self._pump()
        if run.task is None:
            run.opening = None  # it waits, and much may be written until its turn comes
        return Accepted(run, is_new=True)

    def _begun(self, run: Run) -> None:
        if run.begins_session:
            self._sessions.life.started(run.session_key, run.session_id, run.submission.agent_id)

    async def _renew(self, submission: Submission, command: ChatCommand) -> Submission:
        """End what runs, begin a new transcript, and say what its first message is."""
        await self.quiet(submission.session_key)
        await self._sessions.reset(submission.session_key)
        if command.rest:
            return replace(submission, message=command.rest, command=None)
        return replace(submission, message=_GREETING, as_chat=False, command=None)

    async def _reply(self, submission: Submission, text: str) -> Accepted:
        """Answer without a model: one transaction, one final."""
        joined = await self._join(submission)
        if joined is not None:
            return Accepted(joined, is_new=False)
        now_ms = self._clock.now_ms()
        run = Run(submission, accepted_at_ms=now_ms)
        self._book.add(run)
        outcome = reply_outcome(run, text)
        answer = self._delivery.plan(submission, outcome) if self._delivery else None
        try:
            run.session_id = await self._database.write(
                lambda tx: write_reply(tx, run, text, delivery=self._delivery, answer=answer)
            )
        except BaseException:
            self._book.forget(run)
            run.settle()
            raise
        self._begun(run)
        if self._delivery is not None and answer is not None:
            self._delivery.notify(answer)
        outcome = reply_outcome(run, text)
        run.say(text)
        self._publish(
            chat_final(
                run.run_id, submission.shown_key, seq=1, text=text, ts_ms=now_ms, injected=True
            )
        )
        self._ended(run, outcome)
        return Accepted(run, is_new=True)

    def _replay(self, row: TurnRow, key: SessionKey | None = None) -> Run:
        """A run that stands for what its row tells; `key` is the session that asks, if any."""
        run = Run(submission_of(row), accepted_at_ms=row.accepted_at_ms)
        run.is_replayed = True
        run.session_id = row.session_id
        if key is not None:
            of_session(run, key)
        if row.outcome is not None:
            run.end(row.outcome)
            self._book.finish(run, self._clock.monotonic())
        return run

    # ---- lanes ----

    def _waiting(self, run: Run) -> frozenset[str]:
        others = self._book.live(run.session_key)
        return frozenset(other.run_id for other in others if other.started_at_ms is None)

    def _standing(self, submission: Submission) -> tuple[int, int]:
        """How many turns run and wait in a session."""
        live = list(self._book.live(submission.session_key))
        running = sum(1 for run in live if run.started_at_ms is not None)
        return running, len(live) - running

    def _pump(self) -> None:
        """Start every turn that may start now."""
        for run_id in self._lanes.take():
            run = self._book.get(run_id, self._clock.monotonic())
            if run is None or self._is_draining:
                self._lanes.release(run_id)
            else:
                run.task = self._tasks.start(self._lead(run), name=f"turn {run_id}")
        self._metrics.turns_waiting.set(self._lanes.queued)

    async def _lead(self, run: Run) -> None:
        """Hold the lease of a run for as long as its turn takes, and no longer."""
        guard = self._tasks.start(self._guard(run), name=f"deadline {run.run_id}")
        try:
            self._ended(run, await self._turns.run(run))
        finally:
            guard.cancel()
            # Ended runs are remembered for a while; what their task held need not be.
            run.task = None
            if self._lanes.release(run.run_id):
                self._pump()

    async def _guard(self, run: Run) -> None:
        """End a turn that overruns its time; take the lease from one that will not end."""
        limit_s = run.submission.timeout_s
        if not limit_s:
            limit_s = self._profiles.get(run.submission.agent_id).timeout_s
        await self._clock.sleep(limit_s)
        self._stop(run, StopReason.TIMEOUT)
        await self._clock.sleep(GRACE_S)
        if run.is_closing:
            # Its end is being written, with a deadline of its own; a second end would be empty.
            return
        _log.error("turn did not end in time; its lane is free again", run_id=run.run_id)
        self._ended(run, await self._turns.close(run))
        if self._lanes.release(run.run_id):
            self._pump()

    def _ended(self, run: Run, outcome: RunOutcome) -> None:
        if run.outcome is not None:
            return
        run.end(outcome)
        if run.is_owed:
            self._book.forget(run)
        else:
            self._book.finish(run, self._clock.monotonic())
        self._metrics.turns.labels(outcome.state.value).inc()
        if outcome.started_at_ms is not None:
            took_ms = outcome.ended_at_ms - outcome.started_at_ms
            self._metrics.turn_seconds.observe(took_ms / 1000)
        self._metrics.turns_waiting.set(self._lanes.queued)
        self._announce()

    def _announce(self) -> None:
        """Wake those who wait for a run that was not known."""
        came, self._came = self._came, asyncio.Event()
        came.set()


def _report(task: str, error: BaseException) -> None:
    text = error.message if isinstance(error, GatewayError) else str(error)
    _log.error("agent task died", task=task, reason=text, exc_info=error)
