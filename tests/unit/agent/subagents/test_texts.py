"""What the parent reads about its child's end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from carapace.agent.subagents.records import SubagentRow
from carapace.agent.subagents.texts import report
from carapace.agent.types import RunOutcome, RunState
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.agent import AgentMeta, AgentPayload, AgentResult, ResultMeta, TokenUsage
from carapace.provenance import OWNER

ROW = SubagentRow(
    run_id=RunId("r1"),
    parent_key=SessionKey("agent:main:main"),
    parent_run_id=RunId("p1"),
    shown_key="main",
    child_key=SessionKey("agent:main:subagent:x"),
    parent_agent_id=AgentId("main"),
    label=None,
    task="count",
    cleanup="keep",
    target=None,
    provenance=OWNER,
    created_at_ms=5,
)


def outcome(state: RunState, *texts: str, error: str | None = None) -> RunOutcome:
    usage = TokenUsage(input=0, output=0, cache_read=0, cache_write=0, total=0)
    meta = AgentMeta(session_id="s", provider="p", model="m", usage=usage)
    result = AgentResult(
        payloads=tuple(AgentPayload(text, None) for text in texts),
        meta=ResultMeta(duration_ms=1, agent_meta=meta, aborted=False),
    )
    return RunOutcome(
        state=state, status="ok", summary="x", ended_at_ms=1, result=result, error=error
    )


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (outcome(RunState.DONE, "one", "two", " "), "It finished.\nWhat it answered:\ntwo"),
        (outcome(RunState.DONE), "Task: count\nIt finished."),
        (outcome(RunState.TIMEOUT), "It ran out of time."),
        (outcome(RunState.CUT), "It was interrupted by a restart of the gateway."),
        (outcome(RunState.ERROR, error="no disk"), "It failed: no disk."),
        (outcome(RunState.ERROR), "It failed: its model refused."),
        (None, "It never began: the gateway was restarted before it could."),
    ],
)
def test_each_end_is_said_in_words(ended: RunOutcome | None, text: str):
    assert report(ROW, ended).endswith(text)


def test_long_texts_are_cut():
    long = replace(ROW, task="x" * 1_000, label="Long")
    text = report(long, outcome(RunState.DONE, "y" * 20_000))
    assert text.startswith("Sub-agent: Long\n")
    assert len(text) < 13_000
    assert text.count("[the rest was left out: too long]") == 2
