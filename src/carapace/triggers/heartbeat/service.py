"""`Heartbeats`: turns of main sessions by the clock, and at once when something asks for one.

A turn acts with the owner's authority only as long as all it was woken for is the owner's word. If
a program or another session left something in the main session, the turn has no more rights than
that: nobody outside chooses the moment at which the agent acts for its owner (advisory D17).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from carapace.agent.events import chat_final
from carapace.agent.runs import Run
from carapace.agent.types import RunOutcome, RunSource, RunState, Submission, source_of
from carapace.channels.types import DEFAULT_ACCOUNT, Target
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.ids import AgentId, RunId, SessionKey, new_id
from carapace.protocol.events import Event, Publish
from carapace.protocol.system import HeartbeatEvent
from carapace.provenance import OWNER, Provenance
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.triggers.cron.expression import BadExpression, zone_named
from carapace.triggers.heartbeat.answers import said
from carapace.triggers.heartbeat.plan import HeartbeatPlan, is_active
from carapace.triggers.ports import Routing, Runs
from carapace.triggers.wakes import Note, Wakes
from carapace.value import Value

__all__ = ["HeartbeatParts", "Heartbeats"]

_INTERVAL: Final = "interval"
_COALESCE_S: Final = 0.25
_LOOK_S: Final = 10.0
_PREVIEW_CHARS: Final = 200
_SAME_WITHIN_MS: Final = 24 * 3_600_000
_LANE: Final = "heartbeat"
_INDICATORS: Final = {"ok-empty": "ok", "ok-token": "ok", "sent": "alert", "failed": "error"}
_log = get_logger(__name__)


class HeartbeatParts(Value, frozen=True, kw_only=True):
    """What heartbeats use of other rooms.

    Attributes:
        runs: The agent.
        routing: Where answers can go.
        wakes: What was left in sessions.
        plans: The heartbeats of all agents, as the settings are now.
        has_tasks: Whether an agent's HEARTBEAT.md asks for anything.
        to_key: A session's key as it is stored.
        used_at_ms: When a session was last used, if it is there.
        silence: Takes a run that said nothing out of its conversation.
        send: Puts a text for a target into the outbox, once for each id.
        publish: Takes the events.
        clock: The time.
    """

    runs: Runs
    routing: Routing
    wakes: Wakes
    plans: Callable[[], Sequence[HeartbeatPlan]]
    has_tasks: Callable[[AgentId], bool]
    to_key: Callable[[str], SessionKey]
    used_at_ms: Callable[[SessionKey], Awaitable[int | None]]
    silence: Callable[[Run, int | None], Awaitable[object]]
    send: Callable[[Target, str, RunId, Provenance], Awaitable[object]]
    publish: Publish
    clock: Clock


class Heartbeats:
    """Start `run` as a task; `close` before the agent is gone.

    Args:
        parts: See there.
    """

    def __init__(self, parts: HeartbeatParts) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._tasks = Tasks("heartbeat", _report)
        self._is_enabled = True
        self._is_stopping = False
        self._last: HeartbeatEvent | None = None
        self._asked: dict[AgentId, str] = {}
        self._ran_at_s: dict[AgentId, float] = {}
        self._said: dict[AgentId, tuple[str, int]] = {}
        self._bell = asyncio.Event()

    @property
    def last(self) -> HeartbeatEvent | None:
        """The newest event of this process."""
        return self._last

    def plan(self, agent_id: AgentId) -> HeartbeatPlan | None:
        """The heartbeat of an agent that the settings know."""
        return next((one for one in self._parts.plans() if one.agent_id == agent_id), None)

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the one thing it says
        """Let heartbeats run, or none until told otherwise or started anew."""
        self._is_enabled = enabled
        self.changed()

    def changed(self) -> None:
        """The settings may have changed: look again."""
        self._bell.set()

    def wake(self, agent_id: AgentId, reason: str) -> None:
        """Ask for a turn soon; many askers get one."""
        self._asked.setdefault(agent_id, reason)
        self._bell.set()

    async def run(self) -> None:
        """Follow the clock until `close`."""
        began_s = self._clock.monotonic()
        while not self._is_stopping:
            await self._look()
            if self._asked:
                await self._clock.sleep(_COALESCE_S)
            self._bell.clear()
            asked, self._asked = self._asked, {}
            wait_s = _LOOK_S
            for plan in self._parts.plans():
                left_s = self._left_s(plan, began_s)
                reason = asked.get(plan.agent_id) or (_INTERVAL if left_s <= 0 else None)
                if reason is not None:
                    self._ran_at_s[plan.agent_id] = self._clock.monotonic()
                    await self._beat(plan, reason)
                    left_s = self._left_s(plan, began_s)
                wait_s = min(wait_s, left_s)
            await self._wait(wait_s)

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True
        self._bell.set()

    async def close(self) -> None:
        """Begin nothing more, and end the timer."""
        self.stop()
        await self._tasks.close()

    async def _look(self) -> None:
        """Find main sessions that were left something that asks for a turn."""
        try:
            for agent_id, key in await self._parts.wakes.wanted():
                if key == self._parts.to_key(f"agent:{agent_id}:main"):
                    self.wake(agent_id, "wake")
        except GatewayError as error:
            _log.warning("what asks for a turn is not known", reason=error.message)

    def _left_s(self, plan: HeartbeatPlan, began_s: float) -> float:
        """Until its next heartbeat by the clock."""
        if not self._is_enabled or not plan.is_enabled or plan.every_ms is None:
            return _LOOK_S
        since_s = self._clock.monotonic() - self._ran_at_s.get(plan.agent_id, began_s)
        return plan.every_ms / 1000 - since_s

    async def _beat(self, plan: HeartbeatPlan, reason: str) -> None:
        """One heartbeat, unless there is a reason against it."""
        if not self._is_enabled or not plan.is_enabled or plan.every_ms is None:
            return
        if not is_active(plan.active, self._clock.now().astimezone(_zone(plan))):
            return
        started_ms = self._clock.now_ms()
        try:
            event = await self._turn(plan, reason)
        except Exception as error:  # noqa: BLE001 - the next one must come, whatever broke
            reason = error.message if isinstance(error, GatewayError) else repr(error)
            _log.warning("heartbeat failed", agent=plan.agent_id, reason=reason)
            event = HeartbeatEvent(ts=0, status="failed", reason=reason[:_PREVIEW_CHARS])
        if event is not None:
            self._tell(event, started_ms)

    async def _turn(self, plan: HeartbeatPlan, reason: str) -> HeartbeatEvent | None:
        """Run the turn; what is to be told of it, or None if the gateway stops."""
        parts = self._parts
        key = parts.to_key(f"agent:{plan.agent_id}:main")
        notes = await parts.wakes.queued(key)
        is_idle = reason == _INTERVAL and not notes and not plan.is_own_prompt
        if is_idle and not parts.has_tasks(plan.agent_id):
            return HeartbeatEvent(ts=0, status="skipped", reason="empty-heartbeat-file")
        used_at_ms = await parts.used_at_ms(key)
        provenance = _whose(notes)
        accepted = await parts.runs.accept(_submission(plan, key, provenance))
        outcome = await accepted.run.ended()
        if outcome.state is RunState.CUT:
            return None
        if outcome.state is not RunState.DONE:
            why = outcome.error or _text(outcome) or outcome.summary
            return HeartbeatEvent(ts=0, status="failed", reason=why[:_PREVIEW_CHARS])
        answer = _text(outcome)
        words = said(answer, plan.ack_max_chars)
        if not words:
            await parts.silence(accepted.run, used_at_ms)
            return HeartbeatEvent(
                ts=0, status="ok-token" if answer else "ok-empty", reason=reason, silent=True
            )
        return await self._say(plan, accepted.run, words, provenance)

    async def _say(
        self, plan: HeartbeatPlan, run: Run, words: str, provenance: Provenance
    ) -> HeartbeatEvent:
        """Bring words to the person; the same ones at most once a day."""
        now_ms = self._clock.now_ms()
        preview = words[:_PREVIEW_CHARS]
        before, at_ms = self._said.get(plan.agent_id, ("", 0))
        if words == before and now_ms - at_ms < _SAME_WITHIN_MS:
            return HeartbeatEvent(
                ts=0, status="skipped", reason="duplicate", preview=preview, has_media=False
            )
        self._said[plan.agent_id] = (words, now_ms)
        shown = run.submission.shown_key
        self._parts.publish(
            chat_final(run.run_id, shown, seq=run.reply.seq, text=words, ts_ms=now_ms)
        )
        target = await self._target(plan, run.session_key)
        if target is None:
            return HeartbeatEvent(
                ts=0, status="skipped", reason="no-target", preview=preview, has_media=False
            )
        await self._parts.send(target, words, run.run_id, provenance)
        return HeartbeatEvent(
            ts=0,
            status="sent",
            to=target.conversation,
            channel=target.channel,
            preview=preview,
            has_media=False,
        )

    async def _target(self, plan: HeartbeatPlan, key: SessionKey) -> Target | None:
        if plan.target == "none":
            return None
        last = await self._parts.routing.last(key)
        if plan.target in ("last", last.channel if last else None):
            if last is not None and plan.to is not None and plan.to != last.conversation:
                return replace(last, conversation=plan.to, thread_id=None)
            return last
        if plan.to is None or plan.target not in self._parts.routing.channels():
            return None
        return Target(channel=plan.target, account=DEFAULT_ACCOUNT, conversation=plan.to)

    def _tell(self, event: HeartbeatEvent, started_ms: int) -> None:
        now_ms = self._clock.now_ms()
        told = msgspec.structs.replace(
            event,
            ts=now_ms,
            duration_ms=max(0, now_ms - started_ms),
            indicator_type=_INDICATORS.get(event.status),
        )
        self._last = told
        self._parts.publish(Event("heartbeat", told))

    async def _wait(self, delay_s: float) -> None:
        """Until something asks, at most `delay_s`."""
        if self._is_stopping or self._bell.is_set():
            return
        alarm = self._tasks.start(self._alarm(delay_s), name="alarm")
        try:
            await self._bell.wait()
        finally:
            alarm.cancel()

    async def _alarm(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._bell.set()


def _submission(plan: HeartbeatPlan, key: SessionKey, provenance: Provenance) -> Submission:
    """The turn; to one that is not the owner's the prompt is told as the gateway's own words."""
    is_own = source_of(provenance) is RunSource.OPERATOR
    return Submission(
        run_id=RunId(new_id()),
        session_key=key,
        shown_key=key,
        agent_id=plan.agent_id,
        message=plan.prompt if is_own else "Heartbeat: something has come in.",
        extra_system_prompt=None if is_own else plan.prompt,
        lane=_LANE,
        provenance=provenance,
        is_quiet=True,
    )


def _whose(notes: Sequence[Note]) -> Provenance:
    """The owner's turn, or one with the rights of the least of those who left something."""
    others = [
        note.provenance for note in notes if source_of(note.provenance) is not RunSource.OPERATOR
    ]
    found = others[0] if others else OWNER
    for other in others[1:]:
        found = found.joined(other)
    is_limited = any(note.provenance.lacks_admin for note in notes)
    return found.without_admin() if is_limited else found


def _text(outcome: RunOutcome) -> str:
    """The last thing that was said."""
    texts = [one.text for one in outcome.result.payloads] if outcome.result else []
    return next((one for one in reversed(texts) if one and one.strip()), "").strip()


def _zone(plan: HeartbeatPlan) -> Any:
    """Where the hours of a plan are meant; a zone that is not known is UTC."""
    name = plan.active.timezone if plan.active else None
    if name == "local":
        return None
    try:
        return zone_named(plan.timezone if name in (None, "user") else name)
    except BadExpression:
        return zone_named(None)


def _report(task: str, error: BaseException) -> None:
    _log.error("heartbeats died", task=task, exc_info=error)
