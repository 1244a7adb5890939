"""The end of a turn: its outcome, the one transaction that writes it, and the answer's way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from carapace.agent import records
from carapace.agent.delivery import Answer, Delivery
from carapace.agent.draft import Draft, token_usage, total_tokens
from carapace.agent.footer import usage_line
from carapace.agent.providers.ports import Usage
from carapace.agent.records_usage import insert_usage
from carapace.agent.runs import Run
from carapace.agent.talk import Talk
from carapace.agent.types import RunOutcome, RunState, StopReason
from carapace.channels.outbox.reservation import Reservation
from carapace.channels.outbox.types import OutboxRow
from carapace.channels.text.render import SILENT_REPLY
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.protocol.agent import (
    AgentMeta,
    AgentPayload,
    AgentResult,
    PendingToolCall,
    ResultMeta,
)
from carapace.protocol.events import Event, Publish
from carapace.sessions import records as session_records
from carapace.sessions.send_policy import BLOCKED_TEXT
from carapace.sessions.types import NO_USAGE, SessionEntry, Touch
from carapace.store.ports import Database, Tx
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["CUT_TEXT", "OWED_TEXT", "End", "Endings"]

CUT_TEXT: Final = "the gateway restarted while this run was under way; send it again"
OWED_TEXT: Final = "the gateway is stopping; this message is answered once it runs again"
_SAVE_PAUSES_S: Final = (0.2, 1.0, 2.0)
_TIMEOUT_TEXT: Final = (
    "the turn was stopped at its time limit of {limit_s:g} s; ask for less at once, or raise "
    "agents.defaults.timeoutSeconds"
)
_STOPPED: Final = {
    StopReason.TIMEOUT: (RunState.TIMEOUT, _TIMEOUT_TEXT),
    StopReason.SHUTDOWN: (RunState.CUT, CUT_TEXT),
}
_CUT_SHORT: Final = frozenset({"length", "filtered"})
_ENDED_EARLY: Final = frozenset({RunState.ABORTED, RunState.TIMEOUT, RunState.CUT})
_log = get_logger(__name__)

Store = Callable[[Tx, Reservation | None], OutboxRow | None]
"""Writes the end of a run; gives the row that took the place."""


class End(Value, frozen=True):
    """What went wrong: the model's side refused, or ours failed."""

    refusal: str | None = None
    failure: str | None = None


class Endings:
    """Ends turns.

    Args:
        database: For the one write.
        publish: Takes the run's last events.
        clock: For the times in it.
        metrics: Counts tokens.
        delivery: Sends answers to where their messages came from.
        is_muted: Whether a session may not send, as things are when a run ends.
    """

    def __init__(
        self,
        *,
        database: Database,
        publish: Publish,
        clock: Clock,
        metrics: Metrics,
        delivery: Delivery | None,
        is_muted: Callable[[SessionEntry], bool],
    ) -> None:
        self._is_muted = is_muted
        self._database = database
        self._publish = publish
        self._clock = clock
        self._metrics = metrics
        self._delivery = delivery

    async def finish(
        self, run: Run, draft: Draft | None, talk: Talk | None, end: End
    ) -> RunOutcome:
        """The outcome of `run`, stored and published.

        Args:
            run: It takes no more part in anything.
            draft: What was said and done, if it came so far.
            talk: With whom, likewise.
            end: What went wrong.
        """
        run.is_closing = True
        now_ms = self._clock.now_ms()
        if run.stop_reason is StopReason.SHUTDOWN and run.submission.inbox_ids:
            return self._owe(run, OWED_TEXT, now_ms)
        if draft is not None:
            # A tool that was asked for and never ran is no part of what happened.
            draft.calls.clear()
            if draft.text or end.refusal is not None:
                stop = "error" if end.refusal or end.failure else "aborted"
                draft.close_message(stop, now_ms, error=end.refusal or end.failure)
            self._count(draft.used.total)
        outcome = self._outcome(run, draft, talk, end, now_ms)
        answer = self._answer_of(run, outcome)
        if self._delivery is not None and answer is not None:
            await self._delivery.quiet(answer)
        try:
            await self._save(
                run,
                lambda tx, place: self._store(tx, run, draft, outcome, answer, place=place),
                answer,
            )
        except GatewayError as error:
            _log.error("turn not saved", run_id=run.run_id, reason=error.message)
            text = f"the answer could not be saved: {error.message}"
            if run.submission.inbox_ids:
                return self._owe(run, text, now_ms)
            outcome = _failed(run, text, now_ms)
        if outcome.error is not None:
            self._tell(run.reply.fail(outcome.error, now_ms))
        else:
            self._tell(run.reply.end(now_ms))
        return outcome

    async def _save(self, run: Run, store: Store, answer: Answer | None) -> None:
        """Write the end of a run. Of the inbox's it is tried again: asking anew costs more.

        Raises:
            GatewayError: If the disk took none of it.
        """
        pauses_s = iter(_SAVE_PAUSES_S if run.submission.inbox_ids else ())
        while True:
            try:
                return await self._write(store, answer)
            except GatewayError as error:
                # A write whose outcome is unknown may have put the answer there.
                self._notify(answer)
                pause_s = next(pauses_s, None)
                if pause_s is None:
                    raise
                _log.warning("turn not saved yet", run_id=run.run_id, reason=error.message)
                await self._clock.sleep(pause_s)

    async def _write(self, store: Store, answer: Answer | None) -> None:
        """Write the end of a run, and have its answer sent at once if the sender has a place."""
        place = self._delivery.reserve(answer) if self._delivery and answer is not None else None
        if place is None:
            # Before the write: what the sender then asks of the writer stands in its queue
            # behind the answer, and so finds it.
            self._notify(answer)
            await self._database.write(lambda tx: store(tx, None))
            return
        try:
            row = await self._database.write(lambda tx: store(tx, place))
        except BaseException as error:
            is_known = isinstance(error, GatewayError) and error.retryable is True
            place.failed(is_doubtful=not is_known)
            raise
        place.written(row)

    def _notify(self, answer: Answer | None) -> None:
        if self._delivery is not None and answer is not None:
            self._delivery.notify(answer)

    def _owe(self, run: Run, text: str, now_ms: int) -> RunOutcome:
        """End a run of the inbox here, with nothing written: it begins again from its rows."""
        run.is_owed = True
        self._tell(run.reply.fail(text, now_ms))
        return _failed(run, text, now_ms, RunState.CUT)

    def _answer_of(self, run: Run, outcome: RunOutcome) -> Answer | None:
        return self._delivery.plan(run.submission, outcome) if self._delivery else None

    def _outcome(
        self, run: Run, draft: Draft | None, talk: Talk | None, end: End, now_ms: int
    ) -> RunOutcome:
        stopped = _STOPPED.get(run.stop_reason) if run.stop_reason is not None else None
        if stopped is not None:
            limit_s = run.submission.timeout_s or (talk.profile.timeout_s if talk else 0)
            return _failed(run, stopped[1].format(limit_s=limit_s), now_ms, stopped[0])
        if end.failure is not None:
            return _failed(run, end.failure, now_ms)
        is_aborted = run.stop_reason is not None
        texts = list(draft.texts) if draft is not None else []
        line = self._usage_line(run, draft, talk)
        if texts and line and texts[-1].strip() != SILENT_REPLY:
            texts[-1] += f"\n\n{line}"
            run.reply.text += f"\n\n{line}"
        if end.refusal is not None:
            texts.append(end.refusal)
        state = RunState.ABORTED if is_aborted else RunState.DONE
        return RunOutcome(
            state=RunState.ERROR if end.refusal is not None else state,
            status="ok",
            summary="aborted" if is_aborted else "completed",
            ended_at_ms=now_ms,
            started_at_ms=run.started_at_ms,
            result=AgentResult(
                payloads=tuple(AgentPayload(text, None) for text in texts),
                meta=ResultMeta(
                    duration_ms=now_ms - (run.started_at_ms or now_ms),
                    agent_meta=_agent_meta(run, draft),
                    aborted=is_aborted,
                    system_prompt_report=talk.report if talk is not None else None,
                    stop_reason=_stop_reason(draft),
                    pending_tool_calls=_pending(draft),
                ),
            ),
        )

    def _store(
        self,
        tx: Tx,
        run: Run,
        draft: Draft | None,
        outcome: RunOutcome,
        answer: Answer | None,
        *,
        place: Reservation | None,
    ) -> OutboxRow | None:
        """The one transaction at the end; repeating it changes nothing. Gives what took `place`."""
        if not records.finish(tx, run.run_id, outcome):
            return None
        now_ms, taken = outcome.ended_at_ms, None
        if self._delivery is not None and answer is not None:
            answer = self._permitted(tx, run, answer)
            taken = self._delivery.finish(tx, answer, now_ms=now_ms, place=place)
        touch, used = Touch(aborted_last_run=outcome.state in _ENDED_EARLY), NO_USAGE
        if draft is not None:
            for message in draft.messages:
                session_records.append_message(tx, run.session_id, message)
            asked = run.submission
            lines = draft.used.lines(
                run_id=run.run_id,
                agent_id=asked.agent_id,
                session_key=run.session_key,
                now=self._clock.now(),
            )
            insert_usage(tx, lines)
            used = draft.totals
            if draft.last_usage != Usage():
                touch = _touch(draft, is_aborted=bool(touch.aborted_last_run))
        session_records.touch(tx, run.session_key, touch, now_ms=now_ms, usage=used)
        return taken

    @staticmethod
    def _usage_line(run: Run, draft: Draft | None, talk: Talk | None) -> str:
        if draft is None or talk is None:
            return ""
        return usage_line(talk.response_usage, draft.used, run.session_key)

    def _permitted(self, tx: Tx, run: Run, answer: Answer) -> Answer:
        """The answer, or none of it where the session was forbidden to send meanwhile."""
        entry = session_records.find(tx, run.session_key) if answer.outgoing else None
        if entry is None or not self._is_muted(entry):
            return answer
        _log.warning("answer not sent", run_id=run.run_id, reason=BLOCKED_TEXT)
        return replace(answer, outgoing=())

    def _count(self, used: Usage) -> None:
        tokens = self._metrics.tokens
        tokens.labels("input").inc(used.input)
        tokens.labels("output").inc(used.output)
        tokens.labels("cache_read").inc(used.cache_read)
        tokens.labels("cache_write").inc(used.cache_write)

    def _tell(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._publish(event)


def _failed(run: Run, error: str, now_ms: int, state: RunState = RunState.ERROR) -> RunOutcome:
    return RunOutcome(
        state=state,
        status="error",
        summary=error,
        ended_at_ms=now_ms,
        started_at_ms=run.started_at_ms,
        error=error,
    )


def _stop_reason(draft: Draft | None) -> str | None:
    """Why the model stopped, where it did not simply come to an end."""
    if draft is None or not draft.messages:
        return None
    if draft.client_calls:
        return "tool_calls"
    stop = draft.messages[-1].stop_reason
    return stop if stop in _CUT_SHORT else None


def _pending(draft: Draft | None) -> tuple[PendingToolCall, ...]:
    calls = draft.client_calls if draft is not None else ()
    return tuple(PendingToolCall(call.id, call.name, call.arguments) for call in calls)


def _agent_meta(run: Run, draft: Draft | None) -> AgentMeta:
    return AgentMeta(
        session_id=run.session_id,
        provider=draft.target.provider_name if draft else "",
        model=draft.target.model_id if draft else "",
        usage=token_usage(draft.last_usage if draft else Usage()),
    )


def _touch(draft: Draft, *, is_aborted: bool) -> Touch:
    usage, target = draft.last_usage, draft.target
    return Touch(
        model_provider=target.provider_name,
        model=target.model_id,
        context_tokens=target.context_tokens,
        input_tokens=usage.input,
        output_tokens=usage.output,
        total_tokens=total_tokens(usage),
        system_sent=True,
        aborted_last_run=is_aborted,
    )
