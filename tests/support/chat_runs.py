"""An agent with a script, as the HTTP chat endpoint sees one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from carapace.agent.types import (
    RunEnded,
    RunOutcome,
    RunState,
    RunUpdate,
    StopReason,
    Submission,
    TextUpdate,
)
from carapace.errors import GatewayError
from carapace.ids import RunId, SessionKey
from carapace.protocol.agent import (
    AgentMeta,
    AgentPayload,
    AgentResult,
    PendingToolCall,
    ResultMeta,
    TokenUsage,
)


def outcome(
    text: str | None,
    *,
    input_tokens: int = 0,
    output_tokens: int = 0,
    stop_reason: str | None = None,
    calls: tuple[PendingToolCall, ...] = (),
    state: RunState = RunState.DONE,
) -> RunOutcome:
    """How a run ended; None is an error."""
    if text is None:
        return RunOutcome(
            state=RunState.ERROR, status="error", summary="failed", ended_at_ms=1, error="no model"
        )
    usage = TokenUsage(
        input=input_tokens,
        output=output_tokens,
        cache_read=0,
        cache_write=0,
        total=input_tokens + output_tokens,
    )
    meta = ResultMeta(
        duration_ms=1,
        agent_meta=AgentMeta(session_id="s", provider="p", model="m", usage=usage),
        aborted=False,
        stop_reason=stop_reason,
        pending_tool_calls=calls,
    )
    return RunOutcome(
        state=state,
        status="ok",
        summary="completed",
        ended_at_ms=1,
        result=AgentResult(payloads=(AgentPayload(text, None),), meta=meta),
    )


@dataclass
class Started:
    submission: Submission


class ScriptedRuns:
    """Satisfies `ChatRuns`: says `texts`, then ends with `ending`."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.aborted = asyncio.Event()
        self.texts: tuple[str, ...] = ("Echo:", " hello")
        self.ending: RunOutcome | None = outcome("Echo: hello", input_tokens=3, output_tokens=2)
        self.error: GatewayError | None = None
        self.is_endless = False

    async def submit(self, submission: Submission) -> Started:
        self.submissions.append(submission)
        return Started(submission)

    async def wait(self, run_id: RunId, timeout_s: float) -> RunOutcome | None:
        return self.ending

    async def updates(self, run_id: RunId) -> AsyncGenerator[RunUpdate]:
        while self.is_endless:
            yield TextUpdate("x" * 100_000)
            await asyncio.sleep(0)
        for text in self.texts:
            yield TextUpdate(text)
        if self.error is not None:
            raise self.error
        if self.ending is not None:
            yield RunEnded(self.ending)

    async def abort(
        self,
        session_key: SessionKey,
        run_id: RunId | None = None,
        reason: StopReason = StopReason.RPC,
    ) -> tuple[RunId, ...]:
        self.aborted.set()
        return (run_id,) if run_id else ()


class Agents:
    """Satisfies `ChatModels`."""

    def agent_ids(self) -> tuple[str, ...]:
        return ("main", "work")
