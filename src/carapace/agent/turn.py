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

from msgspec.structs import replace

from carapace.agent.budget import Budget, Reservation
from carapace.agent.compaction import KEPT_MESSAGES, Compactor, room_for
from carapace.agent.delivery import Delivery
from carapace.agent.draft import Draft, StoredStop
from carapace.agent.ending import End, Endings
from carapace.agent.history import DecodedHistory, estimate_tokens, fit, in_turn_order, to_model
from carapace.agent.opening import Opening, read_opening
from carapace.agent.pricing import cost_nano_usd
from carapace.agent.profiles import Profiles
from carapace.agent.providers.fallback import ModelTarget, stream_with_fallback
from carapace.agent.providers.ports import (
    ModelMessage,
    ModelRequest,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapace.agent.runs import Run
from carapace.agent.talk import Talk, begin_talk
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.registry import ToolContext
from carapace.agent.tools.runner import ToolReport, ToolRunner, arguments_of
from carapace.agent.types import RunOutcome
from carapace.channels.commands import CommandName
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
from carapace.protocol.events import Event, Publish
from carapace.sessions.send_policy import is_denied
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionEntry
from carapace.store.ports import Database, Tx
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = ["MAX_ROUNDS", "ModelSource", "Turns"]

MAX_ROUNDS: Final = 16
StopName = Literal["stop", "length", "tool_calls", "filtered"]
_STOPS: Final[dict[StopName, StoredStop]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "toolUse",
    "filtered": "filtered",
}
_log = get_logger(__name__)


@dataclass(slots=True)
class _Work:
    """How far a turn has come; what is None was not reached."""

    draft: Draft | None = None
    talk: Talk | None = None


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
        self._waiting = waiting
        self._hooks = hooks
        self._decoded = DecodedHistory()
        self._compactor = Compactor(sessions, clock)
        self._endings = Endings(
            database=database,
            publish=publish,
            clock=clock,
            metrics=metrics,
            delivery=delivery,
            is_muted=lambda entry: is_denied(entry, sessions.policy.send_policy),
        )

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
        end = End()
        try:
            await self._work(run, work)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if run.stop_reason is None or task is None:
                raise
            task.uncancel()
        except ProviderError as error:
            end = End(refusal=error.message)
        except GatewayError as error:
            end = End(failure=error.message)
        except Exception as error:  # noqa: BLE001 - a run must end in an outcome, whatever broke
            _log.error("turn failed", run_id=run.run_id, exc_info=error)
            end = End(failure="the turn failed inside the gateway; the reason is in its log")
        return await self._endings.finish(run, work.draft, work.talk, end)

    async def close(self, run: Run) -> RunOutcome:
        """End a stopped run that never had its turn, or whose turn will not end."""
        return await self._endings.finish(run, None, None, End())

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
        talk = begin_talk(
            run,
            entry,
            targets,
            profiles=self._profiles,
            tools=self._tools,
            clock=self._clock,
            addition=await self._addition(run),
        )
        talk.messages = messages
        work.talk = talk
        command = run.submission.command
        if command is not None and command.name is CommandName.COMPACT:
            await self._compact_now(run, work.draft, talk, command.rest)
            return
        await self._fit(run, work.draft, talk)
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

    async def _fit(self, run: Run, draft: Draft, talk: Talk) -> None:
        """Bring the conversation down to what the first model can hold and see."""
        target = talk.targets[0]
        room = room_for(target.context_tokens, talk.profile.reserve_tokens) - talk.overhead_tokens
        if estimate_tokens(talk.messages) > room:
            await self._compact(run, draft, talk)
            talk.messages = fit(talk.messages, room)
        if not target.takes_images:
            talk.hide_images()

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

    async def _compact_now(self, run: Run, draft: Draft, talk: Talk, wishes: str) -> None:
        """`/compact`: summarise whether it is needed or not, and say what came of it."""
        before = estimate_tokens(talk.messages)
        self._tell(run.reply.compaction("start", self._clock.now_ms()))
        is_done = await self._summarised(run, draft, talk, wishes)
        self._tell(run.reply.compaction("end", self._clock.now_ms()))
        text = f"There is nothing to compact: the newest {KEPT_MESSAGES} messages always stay."
        if is_done:
            _, talk.messages = await self._read(run)
            after = estimate_tokens(talk.messages)
            text = f"Compacted: about {before} tokens of conversation became about {after}."
        now_ms = self._clock.now_ms()
        run.say(text)
        self._tell(run.reply.delta(text, now_ms))
        draft.add_note(text, now_ms)

    async def _summarised(self, run: Run, draft: Draft, talk: Talk, wishes: str = "") -> bool:
        """Replace the older part by a summary; False if there was too little.

        Raises:
            ProviderError: If no model would write it.
        """
        reserved = await self._reserve(run, talk, talk.messages)
        try:
            return await self._compactor.compact(
                run.session_key,
                talk.targets,
                lambda target, usage: reserved.settle(usage, draft.used.add(target, usage)),
                wishes=wishes,
            )
        finally:
            reserved.release()

    async def _compact(self, run: Run, draft: Draft, talk: Talk) -> bool:
        """Summarise the older part; False if nothing changed. Once a run, whatever comes."""
        if talk.has_compacted:
            return False
        talk.has_compacted = True
        self._tell(run.reply.compaction("start", self._clock.now_ms()))
        is_done = False
        try:
            is_done = await self._summarised(run, draft, talk)
        except ProviderError as error:
            _log.warning("compaction failed", run_id=run.run_id, reason=error.message)
        if is_done:
            _, talk.messages = await self._read(run)
            # The model that found the conversation too long may be asked again.
            talk.failed.clear()
        self._tell(run.reply.compaction("end", self._clock.now_ms()))
        return is_done

    # ---- the model and its tools ----

    async def _converse(self, run: Run, draft: Draft, talk: Talk) -> None:
        for round_number in range(MAX_ROUNDS):
            # The last round offers no tools, so that the model has to come to an answer.
            tools = talk.facts.tools if round_number < MAX_ROUNDS - 1 else ()
            if not await self._answer(run, draft, talk, tools):
                return

    async def _answer(
        self, run: Run, draft: Draft, talk: Talk, tools: tuple[ToolSpec, ...]
    ) -> bool:
        """One request and the tools it asks for; whether another round is due."""
        request = ModelRequest(
            model=talk.targets[0].model_id,
            system=talk.prompt.text,
            messages=tuple(talk.messages),
            tools=tools,
            thinking=talk.thinking,
            forced_call=run.submission.forced_call if tools else None,
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
        theirs = {tool.name for tool in run.submission.client_tools}
        draft.client_calls = tuple(call for call in calls if call.name in theirs)
        own = [call for call in calls if call.name not in theirs]
        results = [await self._use(run, draft, talk, call) for call in own]
        if draft.client_calls:
            return False
        talk.messages.append(ModelMessage("assistant", (*said, *calls)))
        talk.messages.append(ModelMessage("tool", tuple(results)))
        return True

    async def _ask(self, run: Run, draft: Draft, talk: Talk, request: ModelRequest) -> StopName:
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
                        case ThinkingDelta(text=text):
                            draft.thinking += text if talk.shows_reasoning else ""
        finally:
            reserved.release()
        return stop

    async def _reserve(self, run: Run, talk: Talk, messages: Sequence[ModelMessage]) -> Reservation:
        target = talk.targets[0]
        return await self._budget.reserve(
            run.submission.agent_id,
            input_tokens=estimate_tokens(messages) + talk.overhead_tokens,
            max_output_tokens=target.max_tokens,
            price=target.pricing,
        )

    async def _use(self, run: Run, draft: Draft, talk: Talk, call: ToolCall) -> ToolResult:
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
            call_id=call.id,
            scope=talk.scope,
            answers=asked.reply_route.answers if asked.reply_route is not None else None,
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
        return replace(told, text=changed.text)

    def _tell_tool(self, run: Run, talk: Talk, data: dict[str, Any], call: ToolCall) -> None:
        shown = {"name": call.name, "toolCallId": call.id, **data}
        now_ms = self._clock.now_ms()
        self._tell(run.reply.tool(shown, now_ms, is_shown=talk.is_verbose))

    def _tell(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._publish(event)
