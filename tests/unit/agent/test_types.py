"""Values of a run."""

from __future__ import annotations

import msgspec

from carapace.agent.types import RunOutcome, RunSource, RunState, StopReason, Submission
from carapace.ids import AgentId, RunId, SessionKey


def test_a_submission_speaks_for_its_operator_unless_told_otherwise():
    submission = Submission(
        run_id=RunId("r"),
        session_key=SessionKey("agent:main:main"),
        shown_key="main",
        agent_id=AgentId("main"),
        message="hi",
    )
    assert submission.source is RunSource.OPERATOR
    assert not submission.as_chat


def test_an_outcome_survives_its_json():
    outcome = RunOutcome(
        state=RunState.ABORTED, status="ok", summary=StopReason.RPC, ended_at_ms=5, started_at_ms=2
    )
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=RunOutcome) == outcome
