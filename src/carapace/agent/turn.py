"""One turn: history and prompt to the model, its tools, its answer, one transaction.

The turn reads once at its start and writes once at its end; between them nothing touches
the disk. However it ends (answer, refusal of the model, abort, time limit, our own failure,
restart) what was produced so far is kept and the run gets exactly one outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from carapace.agent import records
from carapace.agent.budget import Budget, Reservation
from carapace.agent.compaction import DEFAULT_WINDOW, Compactor, room_for
from carapace.agent.delivery import Answer, Delivery
from carapace.agent.draft import Draft, StoredStop, token_usage, total_tokens
from carapace.agent.history import DecodedHistory, estimate_tokens, fit, in_turn_order, to_model
from carapace.agent.opening import Opening, read_opening
from carapace.agent.pricing import cost_nano_usd
from carapace.agent.profiles import AgentProfile, Profiles
from carapace.agent.prompt import Prompt, PromptFacts, PromptStyle, build_prompt, report, style_for
from carapace.agent.providers.fallback import ModelTarget, stream_with_fallback
from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    ModelRequest,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingLevel,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapace.agent.records_usage import insert_usage
from carapace.agent.runs import Run
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.registry import ToolContext
from carapace.agent.tools.runner import ToolReport, ToolRunner, arguments_of
from carapace.agent.types import RunOutcome, RunState, StopReason
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.hooks.bus import HookBus
from carapace.hooks.points import (
    BEFORE_AGENT_START,
    TOOL_RESULT_PERSIST,
    BeforeAgentStart,
    ToolResultPersist,
)
from carapace.ids import AgentId, SessionKey
from carapace.protocol.agent import AgentMeta, AgentPayload, AgentResult, PromptReport, ResultMeta
from carapace.protocol.events import Event, Publish
from carapace.sessions import records as session_records
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionEntry, Touch
from carapace.store.ports import Database, Tx
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = ["CUT_TEXT", "MAX_ROUNDS", "OWED_TEXT", "ModelSource", "Turns"]

CUT_TEXT: Final = "the gateway restarted while this run was under way; send it again"
OWED_TEXT: Final = "the gateway is stopping; this message is answered once it runs again"
MAX_ROUNDS: Final = 16
_SAVE_PAUSES_S: Final = (0.2, 1.0, 2.0)
_LEVELS: Final = frozenset(ThinkingLevel)
_PICTURE: Final = "[a picture]"
StopName = Literal["stop", "length", "tool_calls", "filtered"]
_STOPS: Final[dict[StopName, StoredStop]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "toolUse",
    "filtered": "filtered",
}
_TIMEOUT_TEXT: Final = (
    "the turn was stopped at its time limit of {limit_s:g} s; ask for less at once, or raise "
    "agents.defaults.timeoutSeconds"
)
_STOPPED: Final = {
    StopReason.TIMEOUT: (RunState.TIMEOUT, _TIMEOUT_TEXT),
    StopReason.SHUTDOWN: (RunState.CUT, CUT_TEXT),
}
_ENDED_EARLY: Final = frozenset({RunState.ABORTED, RunState.TIMEOUT, RunState.CUT})
_log = get_logger(__name__)


@dataclass(slots=True)
class _Talk:
    """What the requests of one turn have in common."""

    profile: AgentProfile
    targets: Sequence[ModelTarget]
    facts: PromptFacts
    prompt: Prompt
    report: PromptReport
    messages: list[ModelMessage]
    thinking: ThinkingLevel
    is_verbose: bool
    failed: set[str]
    has_compacted: bool = False

    @property
    def overhead_tokens(self) -> int:
        """About what prompt and tools take of the window."""
        return (len(self.prompt.text) + self.report.tools.schema_chars) // 4


@dataclass(slots=True)
class _Work:
    """How far a turn has come; what is None was not reached."""

    draft: Draft | None = None
    talk: _Talk | None = None


@dataclass(frozen=True, slots=True)
class _End:
    """What went wrong: the model's side refused, or ours failed."""

    refusal: str | None = None
    failure: str | None = None


class ModelSource(Protocol):
    """Where the models of a turn come from; `ProviderRegistry` is one."""

    def resolve(self, model_ref: str | None, agent_id: AgentId) -> Sequence[ModelTarget]:
        """Primary first, at least one; refuses a name that nobody knows."""
        ...


class Turns:
    """Runs turns, one call of `run` each.

    Args:
        database: For the one read and the one write.
        sessions: For compaction and the tools.
        models: Who can answer.
        profiles: Prompts, workspaces and limits.
        tools: What a model may call.
        memory: For the tools.
        budget: Hard caps, asked before each request.
        publish: Takes the run's events.
        clock: For every time in here.
        metrics: Counts tokens.
        waiting: Run ids of a session that have not had their turn.
        hooks: May add to the prompt, and change what is kept of a tool's result.
        delivery: Sends answers to where their messages came from.
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
        waiting: Callable[[Run], frozenset[str]],
        hooks: HookBus | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._models = models
        self._profiles = profiles
        self._tools = tools
        self._memory = memory
        self._budget = budget
        self._publish = publish
        self._clock = clock
        self._metrics = metrics
        self._waiting = waiting
        self._hooks = hooks
        self._delivery = delivery
        self._decoded = DecodedHistory()
        self._compactor = Compactor(sessions, clock)

    async def run(self, run: Run) -> RunOutcome:
        """Take `run` to its outcome, which is stored and published.

        Raises:
            asyncio.CancelledError: Only if nobody stopped the run (`Run.stop`).
        """
        if run.stop_reason is not None:
            return await self.close(run)
        run.started_at_ms = self._clock.now_ms()
        self._tell(run.reply.start(run.started_at_ms))
        work = _Work()
        end = _End()
        try:
            await self._work(run, work)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if run.stop_reason is None or task is None:
                raise
            task.uncancel()
        except ProviderError as error:
            end = _End(refusal=error.message)
        except GatewayError as error:
            end = _End(failure=error.message)
        except Exception as error:  # noqa: BLE001 - a run must end in an outcome, whatever broke
            _log.error("turn failed", run_id=run.run_id, exc_info=error)
            end = _End(failure="the turn failed inside the gateway; the reason is in its log")
        return await self._finish(run, work.draft, work.talk, end)

    async def close(self, run: Run) -> RunOutcome:
        """End a stopped run that never had its turn, or whose turn will not end."""
        return await self._finish(run, None, None, _End())

    def opening(self, tx: Tx, run: Run, session_id: str) -> Opening:
        """What the turn of `run` will read first; for the transaction that accepts it."""
        return read_opening(tx, run.session_key, session_id, self._decoded)

    def forget_history(self, key: SessionKey) -> None:
        """Let a session's decoded messages go."""
        self._decoded.forget(key)

    async def _work(self, run: Run, work: _Work) -> None:
        entry, messages = await self._read(run)
        if entry is None:
            raise GatewayError("the session was deleted before its turn came; send it again")
        targets = self._targets(run, entry)
        work.draft = Draft(run.run_id, targets[0])
        talk = self._talk(run, entry, targets, await self._addition(run))
        talk.messages = messages
        await self._fit(run, work.draft, talk)
        work.talk = talk
        await self._converse(run, work.draft, work.talk)

    # ---- before the model ----

    async def _read(self, run: Run) -> tuple[SessionEntry | None, list[ModelMessage]]:
        """The session and its conversation, in one look at the database."""
        key, session_id = run.session_key, run.session_id
        found, run.opening = run.opening, None
        if found is None:
            found = await self._database.read(
                lambda tx: read_opening(tx, key, session_id, self._decoded)
            )
        stored = self._decoded.messages(key, session_id, found.rows, found.known)
        return found.entry, to_model(in_turn_order(stored, run.run_id, self._waiting(run)))

    def _targets(self, run: Run, entry: SessionEntry) -> Sequence[ModelTarget]:
        override = entry.model_override
        if override and entry.provider_override:
            override = f"{entry.provider_override}/{override}"
        return self._models.resolve(override, run.submission.agent_id)

    async def _fit(self, run: Run, draft: Draft, talk: _Talk) -> None:
        """Bring the conversation down to what the first model can hold and see."""
        target = talk.targets[0]
        room = room_for(target.context_tokens, talk.profile.reserve_tokens) - talk.overhead_tokens
        if estimate_tokens(talk.messages) > room:
            await self._compact(run, draft, talk)
            talk.messages = fit(talk.messages, room)
        if not target.takes_images and any(message.has_images for message in talk.messages):
            talk.messages = [_without_images(message) for message in talk.messages]

    async def _addition(self, run: Run) -> str:
        """What hooks add to the prompt."""
        if self._hooks is None or BEFORE_AGENT_START not in self._hooks.heard:
            return ""
        asked = run.submission
        payload = BeforeAgentStart(
            run_id=run.run_id,
            session_key=run.session_key,
            agent_id=asked.agent_id,
            message=asked.message,
            provenance=asked.provenance,
        )
        return (await self._hooks.change(BEFORE_AGENT_START, payload)).prompt_addition

    def _talk(
        self, run: Run, entry: SessionEntry, targets: Sequence[ModelTarget], addition: str
    ) -> _Talk:
        asked, target = run.submission, targets[0]
        profile = self._profiles.get(asked.agent_id)
        style = style_for(target.context_tokens or DEFAULT_WINDOW)
        if target.is_embedded:
            style = PromptStyle.SHORT
        files = profile.workspace.read()
        facts = PromptFacts(
            name=self._profiles.identity(asked.agent_id, files).name,
            files=files,
            tools=self._tools.specs(asked.source, style),
            style=style,
            today=self._clock.now(),
            timezone=profile.timezone,
            session_key=run.session_key,
            model=target.ref,
            extra=_extra(run, target, addition),
        )
        prompt = build_prompt(facts)
        return _Talk(
            profile=profile,
            targets=targets,
            facts=facts,
            prompt=prompt,
            report=report(
                prompt,
                facts,
                session_id=run.session_id,
                shown_key=asked.shown_key,
                workspace_dir=str(profile.workspace.root),
                max_chars=profile.workspace.max_chars,
                now_ms=self._clock.now_ms(),
            ),
            messages=[],
            thinking=_thinking(asked.thinking, entry.thinking_level, profile.thinking),
            is_verbose=_is_verbose(entry.verbose_level, default=profile.is_verbose),
            failed=set(),
        )

    async def _compact(self, run: Run, draft: Draft, talk: _Talk) -> bool:
        """Summarise the older part; False if nothing changed. Once a run, whatever comes."""
        if talk.has_compacted:
            return False
        talk.has_compacted = True
        self._tell(run.reply.compaction("start", self._clock.now_ms()))
        is_done = False
        try:
            reserved = await self._reserve(run, talk, talk.messages)
            try:
                is_done = await self._compactor.compact(
                    run.session_key,
                    talk.targets,
                    lambda target, usage: reserved.settle(usage, draft.used.add(target, usage)),
                )
            finally:
                reserved.release()
        except ProviderError as error:
            _log.warning("compaction failed", run_id=run.run_id, reason=error.message)
        if is_done:
            _, talk.messages = await self._read(run)
            # The model that found the conversation too long may be asked again.
            talk.failed.clear()
        self._tell(run.reply.compaction("end", self._clock.now_ms()))
        return is_done

    # ---- the model and its tools ----

    async def _converse(self, run: Run, draft: Draft, talk: _Talk) -> None:
        for round_number in range(MAX_ROUNDS):
            # The last round offers no tools, so that the model has to come to an answer.
            tools = talk.facts.tools if round_number < MAX_ROUNDS - 1 else ()
            if not await self._answer(run, draft, talk, tools):
                return

    async def _answer(
        self, run: Run, draft: Draft, talk: _Talk, tools: tuple[ToolSpec, ...]
    ) -> bool:
        """One request and the tools it asks for; whether another round is due."""
        request = ModelRequest(
            model=talk.targets[0].model_id,
            system=talk.prompt.text,
            messages=tuple(talk.messages),
            tools=tools,
            thinking=talk.thinking,
        )
        try:
            stop = await self._ask(run, draft, talk, request)
        except ProviderError as error:
            is_too_long = error.fault is ProviderFault.CONTEXT and draft.is_blank
            if is_too_long and not draft.messages and await self._compact(run, draft, talk):
                return True
            raise
        calls = draft.close_message(_STOPS[stop], self._clock.now_ms())
        if not calls:
            return False
        said = (TextPart(draft.texts[-1]),) if draft.last_has_text else ()
        results = [await self._use(run, draft, talk, call) for call in calls]
        talk.messages.append(ModelMessage("assistant", (*said, *calls)))
        talk.messages.append(ModelMessage("tool", tuple(results)))
        return True

    async def _ask(self, run: Run, draft: Draft, talk: _Talk, request: ModelRequest) -> StopName:
        """Stream one answer into the draft; why the model stopped."""
        reserved = await self._reserve(run, talk, request.messages)
        run.reply.next_message()
        if draft.texts:
            run.say("\n\n")
        stop: StopName = "stop"
        stream = stream_with_fallback(talk.targets, request, self._clock, failed=talk.failed)
        try:
            async with aclosing(stream) as events:
                async for target, event in events:
                    draft.target = target
                    match event:
                        case TextDelta(text=text):
                            draft.text += text
                            run.say(text)
                            self._tell(run.reply.delta(text, self._clock.now_ms()))
                        case ToolCall():
                            draft.calls.append(event)
                        case Usage():
                            draft.usage = event
                            reserved.settle(event, cost_nano_usd(event, target.pricing))
                        case Stop(reason=reason):
                            stop = reason
                        case ThinkingDelta():
                            continue
        finally:
            reserved.release()
        return stop

    async def _reserve(
        self, run: Run, talk: _Talk, messages: Sequence[ModelMessage]
    ) -> Reservation:
        target = talk.targets[0]
        return await self._budget.reserve(
            run.submission.agent_id,
            input_tokens=estimate_tokens(messages) + talk.overhead_tokens,
            max_output_tokens=target.max_tokens,
            price=target.pricing,
        )

    async def _use(self, run: Run, draft: Draft, talk: _Talk, call: ToolCall) -> ToolResult:
        asked = run.submission
        self._tell_tool(run, talk, {"phase": "start", "args": arguments_of(call)}, call)
        context = ToolContext(
            run_id=run.run_id,
            session_key=run.session_key,
            agent_id=asked.agent_id,
            provenance=asked.provenance,
            timezone=talk.profile.timezone,
            clock=self._clock,
            sessions=self._sessions,
            memory=self._memory,
        )
        told = await self._tools.run(call, context)
        kept = await self._kept(run, call, told)
        draft.add_result(call, kept, self._clock.now_ms())
        content = [{"type": "text", "text": told.text}]
        data = {"phase": "result", "isError": told.is_error, "result": {"content": content}}
        self._tell_tool(run, talk, data, call)
        return ToolResult(call.id, call.name, told.text, is_error=told.is_error)

    async def _kept(self, run: Run, call: ToolCall, told: ToolReport) -> ToolReport:
        """What the transcript keeps of a tool's result."""
        if self._hooks is None or TOOL_RESULT_PERSIST not in self._hooks.heard:
            return told
        payload = ToolResultPersist(
            run_id=run.run_id,
            session_key=run.session_key,
            agent_id=run.submission.agent_id,
            tool=call.name,
            tool_call_id=call.id,
            is_error=told.is_error,
            text=told.text,
        )
        changed = await self._hooks.change(TOOL_RESULT_PERSIST, payload)
        return ToolReport(changed.text, is_error=told.is_error)

    def _tell_tool(self, run: Run, talk: _Talk, data: dict[str, Any], call: ToolCall) -> None:
        shown = {"name": call.name, "toolCallId": call.id, **data}
        now_ms = self._clock.now_ms()
        self._tell(run.reply.tool(shown, now_ms, is_shown=talk.is_verbose))

    # ---- after the model ----

    async def _finish(
        self, run: Run, draft: Draft | None, talk: _Talk | None, end: _End
    ) -> RunOutcome:
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
            await self._save(run, lambda tx: self._store(tx, run, draft, outcome, answer), answer)
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

    async def _save(self, run: Run, store: Callable[[Tx], None], answer: Answer | None) -> None:
        """Write the end of a run. Of the inbox's it is tried again: asking anew costs more.

        Raises:
            GatewayError: If the disk took none of it.
        """
        pauses_s = iter(_SAVE_PAUSES_S if run.submission.inbox_ids else ())
        while True:
            # Before the write: what the sender then asks of the writer stands in its queue
            # behind the answer, and so finds it.
            self._notify(answer)
            try:
                return await self._database.write(store)
            except GatewayError as error:
                # A write whose outcome is unknown may have put the answer there.
                self._notify(answer)
                pause_s = next(pauses_s, None)
                if pause_s is None:
                    raise
                _log.warning("turn not saved yet", run_id=run.run_id, reason=error.message)
                await self._clock.sleep(pause_s)

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
        self, run: Run, draft: Draft | None, talk: _Talk | None, end: _End, now_ms: int
    ) -> RunOutcome:
        stopped = _STOPPED.get(run.stop_reason) if run.stop_reason is not None else None
        if stopped is not None:
            limit_s = run.submission.timeout_s or (talk.profile.timeout_s if talk else 0)
            return _failed(run, stopped[1].format(limit_s=limit_s), now_ms, stopped[0])
        if end.failure is not None:
            return _failed(run, end.failure, now_ms)
        is_aborted = run.stop_reason is not None
        texts = list(draft.texts) if draft is not None else []
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
                ),
            ),
        )

    def _store(
        self, tx: Tx, run: Run, draft: Draft | None, outcome: RunOutcome, answer: Answer | None
    ) -> None:
        """The one transaction at the end; repeating it changes nothing."""
        if not records.finish(tx, run.run_id, outcome):
            return
        now_ms = outcome.ended_at_ms
        if self._delivery is not None and answer is not None:
            self._delivery.finish(tx, answer, now_ms=now_ms)
        touch = Touch(aborted_last_run=outcome.state in _ENDED_EARLY)
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
            session_records.add_usage(tx, run.session_key, draft.totals)
            if draft.last_usage != Usage():
                touch = _touch(draft, is_aborted=bool(touch.aborted_last_run))
        session_records.touch(tx, run.session_key, touch, now_ms=now_ms)

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


def _thinking(*wishes: str | None) -> ThinkingLevel:
    """The first wish that names a level."""
    for wish in wishes:
        if wish in _LEVELS:
            return ThinkingLevel(wish)
    return ThinkingLevel.OFF


def _is_verbose(level: str | None, *, default: bool) -> bool:
    return default if level is None else level != "off"


def _extra(run: Run, target: ModelTarget, addition: str) -> str | None:
    """The caller's addition, that of hooks, and a word about pictures nobody can see here."""
    asked = run.submission
    parts = [asked.extra_system_prompt or "", addition]
    if asked.images and not target.takes_images:
        parts.append(
            f"The user attached {len(asked.images)} picture(s) that you cannot see; say so."
        )
    return "\n\n".join(part for part in parts if part) or None


def _without_images(message: ModelMessage) -> ModelMessage:
    if not message.has_images:
        return message
    kept = tuple(part for part in message.parts if not isinstance(part, ImagePart))
    return ModelMessage(message.role, kept or (TextPart(_PICTURE),))
