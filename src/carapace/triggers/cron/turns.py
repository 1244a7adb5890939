"""The turn of an isolated job: its message, where its answer goes, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from carapace.agent.providers.ports import ThinkingLevel
from carapace.agent.types import RunOutcome, RunState, Submission
from carapace.channels.types import DEFAULT_ACCOUNT, ReplyRoute, Target
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.ids import AgentId, SessionKey
from carapace.protocol.cron import AgentTurn
from carapace.protocol.sessions import SessionOrigin
from carapace.sessions.types import Route
from carapace.triggers.cron.expression import BadExpression, zone_named
from carapace.triggers.cron.types import Job, JobRun, RunEnd
from carapace.triggers.ports import Routing, Runs
from carapace.value import Value

__all__ = ["CUT_ERROR", "JobTurns", "TurnParts", "end_of", "is_cut", "message_of", "session_of"]

CUT_ERROR: Final = "the gateway was stopped while this ran, and it was not begun again"
_LANE: Final = "cron"
_MAX_SUMMARY_CHARS: Final = 2_000
_NO_TARGET: Final = "Cron delivery requires a recipient: say to whom with to, or use channel last."
_FAILED: Final = frozenset({RunState.ERROR, RunState.TIMEOUT, RunState.ABORTED, RunState.CUT})
_ORDINALS: Final = {1: "st", 2: "nd", 3: "rd"}
_TEENS: Final = range(11, 14)


class TurnParts(Value, frozen=True, kw_only=True):
    """What the turns of jobs use of other rooms.

    Attributes:
        runs: The agent.
        routing: Where answers can go.
        to_key: A session's key as it is stored.
        fresh: Lets a session begin with an empty transcript.
        choose_model: Sets the model of a session.
        timezone: The time zone of an agent's user; None is UTC.
        clock: The time.
    """

    runs: Runs
    routing: Routing
    to_key: Callable[[str], SessionKey]
    fresh: Callable[[SessionKey], Awaitable[object]]
    choose_model: Callable[[SessionKey, str], Awaitable[object]]
    timezone: Callable[[AgentId], str | None]
    clock: Clock


class JobTurns:
    """Runs them.

    Args:
        parts: See there.
    """

    def __init__(self, parts: TurnParts) -> None:
        self._parts = parts

    async def known(self, run: JobRun) -> RunOutcome | None:
        """How the agent's run of this start ended, if it was begun and has."""
        found = await self._parts.runs.find(run.run_id)
        return None if found is None else await found.ended()

    async def run(self, job: Job, run: JobRun, agent_id: AgentId) -> RunEnd | None:
        """Run the turn; None if a stop of the gateway cut it, so that it is still owed."""
        turn = job.spec.payload
        if not isinstance(turn, AgentTurn):
            return RunEnd(status="skipped", error='isolated job requires payload.kind="agentTurn"')
        try:
            return await self._run(job, turn, run, agent_id)
        except GatewayError as error:
            if error.retryable:
                return None
            return RunEnd(status="error", error=error.message)

    async def _run(
        self, job: Job, turn: AgentTurn, run: JobRun, agent_id: AgentId
    ) -> RunEnd | None:
        parts = self._parts
        main_key = parts.to_key(f"agent:{agent_id}:main")
        route = await self._reply_route(turn, main_key)
        if route is None and _wants_delivery(turn) and not turn.best_effort_deliver:
            return RunEnd(status="error", error=_NO_TARGET)
        key = parts.to_key(session_of(agent_id, job.job_id))
        if await parts.runs.find(run.run_id) is None:
            await parts.fresh(key)
            if turn.model:
                await parts.choose_model(key, turn.model)
        text = message_of(job, turn, parts.clock.now(), parts.timezone(agent_id))
        accepted = await parts.runs.accept(
            Submission(
                run_id=run.run_id,
                session_key=key,
                shown_key=key,
                agent_id=agent_id,
                message=text,
                thinking=_thinking(turn.thinking),
                timeout_s=float(turn.timeout_seconds) if turn.timeout_seconds else None,
                lane=_LANE,
                provenance=job.provenance,
                reply_route=route,
                route=_origin(job),
            )
        )
        outcome = await accepted.run.ended()
        return None if is_cut(outcome) else end_of(outcome)

    async def _reply_route(self, turn: AgentTurn, main_key: SessionKey) -> ReplyRoute | None:
        if not _wants_delivery(turn):
            return None
        last = await self._parts.routing.last(main_key)
        if turn.channel not in (None, "last", last.channel if last else None):
            if turn.to is None or turn.channel not in self._parts.routing.channels():
                return None
            return ReplyRoute(
                target=Target(channel=turn.channel, account=DEFAULT_ACCOUNT, conversation=turn.to)
            )
        if last is None:
            return None
        if turn.to is not None and turn.to != last.conversation:
            last = replace(last, conversation=turn.to, thread_id=None)
        return ReplyRoute(target=last)


def session_of(agent_id: AgentId, job_id: str) -> str:
    """The session that the turns of a job have to themselves."""
    return f"agent:{agent_id}:cron:{job_id}"


def message_of(job: Job, turn: AgentTurn, now: datetime, timezone: str | None) -> str:
    """What the model reads: which job, its message, and the time."""
    try:
        zone, name = zone_named(timezone), timezone or "UTC"
    except BadExpression:
        zone, name = zone_named(None), "UTC"
    there = now.astimezone(zone)
    hour = there.hour % 12 or 12
    suffix = "th" if there.day in _TEENS else _ORDINALS.get(there.day % 10, "th")
    day = f"{there:%A}, {there:%B} {there.day}{suffix}, {there.year}"
    time = f"{hour}:{there:%M} {'AM' if there.hour < 12 else 'PM'} ({name})"  # noqa: PLR2004 - noon
    return f"[cron:{job.job_id} {job.spec.name}] {turn.message}\nCurrent time: {day} — {time}"


def end_of(outcome: RunOutcome) -> RunEnd:
    """What came of a turn, in the words of a job's history."""
    texts = [one.text for one in outcome.result.payloads] if outcome.result else []
    text = next((one for one in reversed(texts) if one and one.strip()), "").strip()
    if outcome.state in _FAILED:
        error = outcome.error or text or outcome.summary
        return RunEnd(status="error", error=error[:_MAX_SUMMARY_CHARS], text=text)
    return RunEnd(status="ok", summary=_short(text) or None, text=text)


def is_cut(outcome: RunOutcome) -> bool:
    """Whether a stop of the gateway ended it, and nothing else did."""
    return outcome.state is RunState.CUT


def _wants_delivery(turn: AgentTurn) -> bool:
    return turn.deliver if turn.deliver is not None else turn.to is not None


def _thinking(word: str | None) -> ThinkingLevel | None:
    return ThinkingLevel(word) if word in set(ThinkingLevel) else None


def _short(text: str) -> str:
    if len(text) <= _MAX_SUMMARY_CHARS:
        return text
    return text[: _MAX_SUMMARY_CHARS - 1].rstrip() + "…"


def _origin(job: Job) -> Route:
    return Route(
        origin=SessionOrigin(label=job.spec.name, provider="cron", surface="cron"),
        display_name=f"Cron: {job.spec.name}",
    )
