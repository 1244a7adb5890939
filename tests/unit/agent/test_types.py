"""Values of a run."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.types import (
    RunOutcome,
    RunSource,
    RunState,
    StopReason,
    Submission,
    source_of,
    words_of,
)
from carapace.channels.types import ReplyRoute, Target
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.scopes import effective
from carapace.provenance import OWNER, Authority, Origin, Provenance
from support.agent_house import ask


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


@pytest.mark.parametrize(
    ("origin", "authority", "source"),
    [
        (Origin.OPERATOR, Authority.OWNER, RunSource.OPERATOR),
        (Origin.CHANNEL, Authority.OWNER, RunSource.OPERATOR),
        (Origin.HTTP, Authority.OWNER, RunSource.HTTP),
        (Origin.HTTP, Authority.PAIRED, RunSource.VISITOR),
        (Origin.CHANNEL, Authority.PAIRED, RunSource.VISITOR),
        (Origin.CHANNEL, Authority.GUEST, RunSource.VISITOR),
        (Origin.CHANNEL, Authority.OUTSIDE, RunSource.OUTSIDE),
        (Origin.CHANNEL, Authority.NONE, RunSource.OUTSIDE),
        (Origin.HOOK, Authority.OWNER, RunSource.OUTSIDE),
        (Origin.SESSION, Authority.OWNER, RunSource.OUTSIDE),
        (Origin.OUTSIDE, Authority.OWNER, RunSource.OUTSIDE),
    ],
)
def test_what_words_may_cause_follows_from_where_they_come_from(
    origin: Origin, authority: Authority, source: RunSource
):
    assert source_of(Provenance(origin=origin, authority=authority)) is source


def test_a_client_lends_its_words_no_more_than_it_holds():
    assert words_of(effective(["operator.admin"])) is OWNER
    limited = words_of(effective(["operator.write", "operator.approvals"]))
    assert limited == OWNER.without_admin()
    program = Provenance(origin=Origin.HTTP, authority=Authority.OWNER)
    assert words_of(frozenset(), program) == program.without_admin()


def test_a_submission_names_the_inbox_rows_it_answers():
    target = Target(channel="chat", account="default", conversation="c")
    assert ask("x").inbox_ids == ()
    route = ReplyRoute(target=target, inbox_ids=(1, 2))
    assert ask("x", reply_route=route).inbox_ids == (1, 2)
