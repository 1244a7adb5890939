"""`SubAgents`: starts them, waits for their ends, tells the conversation that asked.

The row is written before the start is acknowledged. Its end is told by a turn in the parent's
session, in its lane: after a restart that turn is begun anew under another id, until one has
ended. A turn that ended is never begun again, so the end is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.agent.subagents import records
from carapace.agent.subagents.archive import SubagentArchive
from carapace.agent.subagents.records import Cleanup, SubagentRow
from carapace.agent.subagents.texts import FOR_THE_CHILD, FOR_THE_PARENT, report
from carapace.agent.types import RunOutcome, RunSource, RunState, Submission, source_of
from carapace.channels.types import ReplyRoute
from carapace.clock import Clock
from carapace.config.settings.agents import AgentsSettings
from carapace.errors import Failed, GatewayError, Refused
from carapace.ids import AgentId, RunId, SessionKey, new_id
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import Origin, Provenance
from carapace.sessions.keys import agent_of, canonical, is_subagent
from carapace.sessions.service import Sessions
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = ["MAX_ATTEMPTS", "SpawnWish", "Spawned", "SubAgents"]

MAX_ATTEMPTS: Final = 5
LANE: Final = "subagent"
_KEEP_MS: Final = 7 * 24 * 3_600_000
_LANE_PAUSE_MS: Final = 1_000
_ANY: Final = "*"
_OWN: Final = frozenset({RunSource.OPERATOR, RunSource.HTTP})
_log = get_logger(__name__)


class SpawnWish(Value, frozen=True, kw_only=True):
    """What an agent asks for; None takes the default."""

    task: str
    label: str | None = None
    agent_id: str | None = None
    model: str | None = None
    thinking: str | None = None
    timeout_s: float | None = None
    cleanup: Cleanup = "keep"


class Spawned(Value, frozen=True):
    """A sub-agent that runs or waits for its turn."""

    run_id: RunId
    session_key: SessionKey


class SubAgents:
    """The sub-agents of all conversations.

    Args:
        agent: Runs them, and the turns that tell their ends.
        sessions: For their sessions.
        profiles: Which agents there are.
        settings: `agents.*` as it is now.
        database: The registry.
        clock: For times.

    Attributes:
        archive: Takes their sessions away in time.
    """

    def __init__(
        self,
        agent: AgentService,
        sessions: Sessions,
        profiles: Profiles,
        *,
        settings: Callable[[], AgentsSettings],
        database: Database,
        clock: Clock,
    ) -> None:
        self._agent = agent
        self._sessions = sessions
        self._profiles = profiles
        self._settings = settings
        self._database = database
        self._clock = clock
        self._tasks = Tasks("sub-agents", _report_death)
        self._live: dict[RunId, SubagentRow] = {}
        self.archive = SubagentArchive(
            agent,
            sessions,
            after_minutes=lambda: settings().defaults.subagents.archive_after_minutes,
            database=database,
            clock=clock,
        )
        agent.children = self.children

    @property
    def running(self) -> int:
        """How many have not ended."""
        return len(self._live)

    def children(self, parent: SessionKey, run_id: RunId | None = None) -> Sequence[SessionKey]:
        """Sessions of those that have not ended, of one conversation or one turn of it."""
        return [
            row.child_key
            for row in self._live.values()
            if row.parent_key == parent and run_id in (None, row.parent_run_id)
        ]

    async def spawn(
        self, wish: SpawnWish, *, parent: SessionKey, run_id: RunId, provenance: Provenance
    ) -> Spawned:
        """Start a sub-agent for the turn `run_id` of `parent`; when this returns it is on disk.

        Raises:
            Refused: If this turn may not, too many run, or a name is not known.
            Failed: If it could not be written down.
        """
        row = await self._row(wish, parent=parent, run_id=run_id, provenance=provenance)
        self._live[row.run_id] = row
        try:
            await self._begin(row, wish)
        except BaseException:
            self._live.pop(row.run_id, None)
            raise
        self._tasks.start(self._watch(row), name=row.run_id)
        return Spawned(row.run_id, row.child_key)

    async def recover(self) -> int:
        """Tell the ends that the last process did not, and begin to archive what is over.

        Call it once the agent has recovered.

        Returns:
            How many those are.
        """
        # A row is needed until its session is archived.
        before_ms = max(0, self._clock.now_ms() - max(_KEEP_MS, 2 * self.archive.after_ms))

        def work(tx: Tx) -> list[SubagentRow]:
            records.prune(tx, before_ms)
            return records.owed(tx)

        rows = await self._database.write(work)
        for row in rows:
            self._tasks.start(self._resume(row), name=row.run_id)
        self.archive.start()
        return len(rows)

    async def aclose(self) -> None:
        """Watch no longer; what is owed is told after the next start."""
        await self.archive.aclose()
        await self._tasks.close()

    # ---- the beginning ----

    async def _row(
        self, wish: SpawnWish, *, parent: SessionKey, run_id: RunId, provenance: Provenance
    ) -> SubagentRow:
        asking = await self._agent.find(run_id)
        if asking is None or source_of(provenance) not in _OWN:
            raise Refused("Sub-agents are started for the owner's own words only.")
        if is_subagent(parent):
            raise Refused("A sub-agent cannot start sub-agents; do the work yourself.")
        most = self._settings().defaults.subagents.max_concurrent
        if len(self._live) >= most:
            raise Refused(
                f"{most} sub-agents run already, the most that "
                "agents.defaults.subagents.maxConcurrent allows; wait for one to end."
            )
        route = asking.submission.reply_route
        owner = asking.submission.agent_id
        child = canonical(f"agent:{self._owner(wish, owner)}:subagent:{new_id()}")
        return SubagentRow(
            run_id=RunId(new_id()),
            parent_key=parent,
            parent_run_id=run_id,
            shown_key=asking.submission.shown_key,
            child_key=child,
            parent_agent_id=owner,
            label=(wish.label or "").strip() or None,
            task=wish.task,
            cleanup=wish.cleanup,
            target=route.target if route is not None else None,
            provenance=provenance,
            created_at_ms=self._clock.now_ms(),
        )

    def _owner(self, wish: SpawnWish, own: AgentId) -> AgentId:
        """Which agent does it; another one only if the settings name it."""
        wanted = AgentId((wish.agent_id or own).strip().lower())
        if wanted == own:
            return own
        settings = self._settings()
        entries = [one for one in settings.list if one.id.lower() == own]
        allowed = {name.lower() for one in entries for name in one.subagents.allow_agents}
        if not self._profiles.knows(wanted) or not allowed & {wanted, _ANY}:
            names = ", ".join(sorted((allowed - {_ANY}) | {own}))
            raise Refused(f"The agent {wanted[:64]} may not be used for this; only: {names}.")
        return wanted

    async def _begin(self, row: SubagentRow, wish: SpawnWish) -> None:
        model = wish.model or self._settings().defaults.subagents.model
        wishes = {"label": row.label, "model": model, "thinking_level": wish.thinking}
        given = {name: value for name, value in wishes.items() if value is not None}
        patch = SessionsPatch(key=row.child_key, spawned_by=row.parent_key)
        await self._sessions.patch(msgspec.structs.replace(patch, **given))
        try:
            await self._database.write(lambda tx: records.insert(tx, row))
            await self._agent.accept(self._task_of(row, wish))
        except GatewayError:
            await self._database.write(lambda tx: records.remove(tx, row.run_id))
            await self._sessions.delete(row.child_key)
            raise

    @staticmethod
    def _task_of(row: SubagentRow, wish: SpawnWish) -> Submission:
        """The same words lead to it as to the turn that asked: it may do what that may."""
        return Submission(
            run_id=row.run_id,
            session_key=row.child_key,
            shown_key=row.child_key,
            agent_id=agent_of(row.child_key),
            message=wish.task,
            timeout_s=wish.timeout_s,
            extra_system_prompt=FOR_THE_CHILD,
            lane=LANE,
            provenance=row.provenance,
        )

    # ---- the end ----

    async def _watch(self, row: SubagentRow) -> None:
        """Wait for the end and tell it; at a shutdown it stays owed."""
        run = await self._agent.find(row.run_id)
        outcome = await run.ended() if run is not None else None
        self._live.pop(row.run_id, None)
        if outcome is not None and outcome.state is not RunState.CUT:
            await self._settle(row, outcome)

    async def _resume(self, row: SubagentRow) -> None:
        """Go on where the last process was."""
        if row.attempts:
            told = await self._agent.find(_announcement_id(row))
            if told is not None and (await told.ended()).state is not RunState.CUT:
                await self._done(row)
                return
        run = await self._agent.find(row.run_id)
        await self._settle(row, await run.ended() if run is not None else None)

    async def _settle(self, row: SubagentRow, outcome: RunOutcome | None) -> None:
        """Tell the end, unless a person stopped it and so knows."""
        is_stopped = outcome is not None and outcome.state is RunState.ABORTED
        while not is_stopped and row.attempts < MAX_ATTEMPTS:
            row = await self._counted(row)
            try:
                told = await self._told(row, outcome)
            except Refused as refused:
                _log.warning("end not told", run_id=row.run_id, reason=refused.message)
                break
            except Failed as failed:
                _log.warning("end not told yet", run_id=row.run_id, reason=failed.message)
                return
            if told.state is RunState.CUT:
                return
            break
        await self._done(row)

    async def _counted(self, row: SubagentRow) -> SubagentRow:
        return await self._database.write(lambda tx: records.try_again(tx, row))

    async def _told(self, row: SubagentRow, outcome: RunOutcome | None) -> RunOutcome:
        """The end of the turn that tells it.

        Raises:
            Refused: If the conversation is gone or will never take it.
            Failed: If the gateway stops or the disk does not take it.
        """
        if await self._sessions.get(row.parent_key) is None:
            raise Refused("the conversation that asked is gone")
        submission = Submission(
            run_id=_announcement_id(row),
            session_key=row.parent_key,
            shown_key=row.shown_key,
            agent_id=row.parent_agent_id,
            message=report(row, outcome),
            extra_system_prompt=FOR_THE_PARENT,
            lane=LANE,
            provenance=row.provenance.through(Origin.SESSION),
            reply_route=ReplyRoute(target=row.target) if row.target is not None else None,
        )
        while True:
            try:
                run = (await self._agent.accept(submission)).run
            except Refused as refused:
                if not refused.retryable:
                    raise
                await self._clock.sleep((refused.retry_after_ms or _LANE_PAUSE_MS) / 1000)
            else:
                return await run.ended()

    async def _done(self, row: SubagentRow) -> None:
        now_ms = self._clock.now_ms()
        await self._database.write(lambda tx: records.announced(tx, row.run_id, now_ms=now_ms))
        if row.cleanup == "delete":
            await self._sessions.delete(row.child_key)
            self._agent.forget_history(row.child_key)


def _announcement_id(row: SubagentRow) -> RunId:
    return RunId(f"announce-{row.run_id}-{row.attempts}")


def _report_death(task: str, error: BaseException) -> None:
    _log.error("sub-agent's watcher died", task=task, exc_info=error)
