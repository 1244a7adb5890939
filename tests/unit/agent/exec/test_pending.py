"""Questions that wait for a person end exactly once: decided, too late, left alone or stopped."""

from __future__ import annotations

import asyncio

import pytest

from carapace.agent.exec.pending import MAX_WAIT_S, PendingApprovals
from carapace.errors import Failed, Refused
from carapace.protocol.approvals import ApprovalSubject
from carapace.protocol.events import Event
from carapace.tasks import Tasks
from support.clock import FakeClock

SUBJECT = ApprovalSubject(
    command="ls",
    cwd=None,
    host=None,
    security=None,
    ask=None,
    agent_id=None,
    resolved_path=None,
    session_key=None,
)


class Desk:
    """The questions and what operators were told."""

    def __init__(self, max_pending: int = 4) -> None:
        self.told: list[Event] = []
        self.pending = PendingApprovals(self.told.append, FakeClock(), max_pending=max_pending)


async def test_a_decision_ends_the_question_and_everybody_hears_of_it():
    desk = Desk()
    question = desk.pending.open(SUBJECT, 60.0, " mine ")
    desk.pending.resolve("mine", "allow-once", "Anna")
    ended = await desk.pending.wait(question)
    assert (ended.decision, ended.by, len(desk.pending)) == ("allow-once", "Anna", 0)
    assert [event.name for event in desk.told] == [
        "exec.approval.requested",
        "exec.approval.resolved",
    ]
    assert desk.told[1].payload.id == desk.told[0].payload.id == "mine"
    answer = ended.answer
    assert (answer.decision, answer.expires_at_ms - answer.created_at_ms) == ("allow-once", 60_000)


async def test_only_the_first_decision_counts():
    desk = Desk()
    question = desk.pending.open(SUBJECT, 60.0)
    desk.pending.resolve(question.asked.id, "deny", None)
    with pytest.raises(Refused, match="unknown approval id"):
        desk.pending.resolve(question.asked.id, "allow-always", None)
    assert (await desk.pending.wait(question)).decision == "deny"


async def test_silence_is_no_decision_and_nothing_is_told():
    desk = Desk()
    question = desk.pending.open(SUBJECT, 0.005)
    assert (await desk.pending.wait(question)).decision is None
    assert len(desk.told) == 1
    with pytest.raises(Refused, match="unknown approval id"):
        desk.pending.resolve(question.asked.id, "allow-once", None)


async def test_nobody_waits_longer_than_an_hour():
    asked = Desk().pending.open(SUBJECT, 1e9).asked
    assert asked.expires_at_ms - asked.created_at_ms == MAX_WAIT_S * 1000


async def test_one_id_waits_once():
    desk = Desk()
    desk.pending.open(SUBJECT, 60.0, "a")
    with pytest.raises(Refused, match="approval id already pending"):
        desk.pending.open(SUBJECT, 60.0, "a")


async def test_too_many_questions_are_refused():
    desk = Desk(max_pending=1)
    question = desk.pending.open(SUBJECT, 60.0)
    with pytest.raises(Failed, match="1 approvals wait already"):
        desk.pending.open(SUBJECT, 60.0)
    desk.pending.withdraw(question)
    desk.pending.open(SUBJECT, 60.0)


async def test_whoever_asks_and_goes_away_takes_the_question_along():
    desk = Desk()
    question = desk.pending.open(SUBJECT, 60.0)
    asking = Tasks("test", lambda _name, _error: None)
    asking.start(desk.pending.wait(question), name="ask")
    await asyncio.sleep(0)
    await asking.close()
    assert len(desk.pending) == 0


async def test_closing_ends_every_question_and_takes_no_more():
    desk = Desk()
    question = desk.pending.open(SUBJECT, 60.0)
    desk.pending.close()
    assert (await desk.pending.wait(question)).decision is None
    with pytest.raises(Failed, match="stopping"):
        desk.pending.open(SUBJECT, 60.0)
