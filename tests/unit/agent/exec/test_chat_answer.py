"""`/approve ID DECISION` of an owner decides; of anybody else, or about nothing, it does not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from carapace.agent.exec.chat_answer import settle
from carapace.agent.exec.pending import PendingApprovals
from carapace.protocol.approvals import ApprovalSubject
from carapace.protocol.events import Event
from carapace.provenance import Authority, Origin, Provenance
from support.clock import FakeClock

OWNER = Provenance(
    origin=Origin.CHANNEL, authority=Authority.OWNER, channel="webhook", sender_id="alice"
)
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


def waiting() -> tuple[PendingApprovals, list[Event]]:
    told: list[Event] = []
    pending = PendingApprovals(told.append, FakeClock())
    pending.open(SUBJECT, 60.0, "Q1")
    return pending, told


@pytest.mark.parametrize(
    ("rest", "decision"),
    [
        ("Q1 allow-once", "allow-once"),
        ("Q1 ALLOW", "allow-once"),
        ("always Q1", "allow-always"),
        ("Q1 deny", "deny"),
    ],
)
def test_an_owner_decides(rest: str, decision: str):
    pending, told = waiting()
    assert settle(pending, rest, OWNER)
    assert (told[1].payload.decision, told[1].payload.resolved_by) == (decision, "webhook:alice")
    assert len(pending) == 0


@pytest.mark.parametrize("rest", ["", "Q1", "ABCD2345", "webhook ABCD2345", "Q1 allow once"])
def test_other_words_are_for_somebody_else(rest: str):
    pending, _ = waiting()
    assert settle(pending, rest, OWNER) is None
    assert len(pending) == 1


@pytest.mark.parametrize("authority", [one for one in Authority if one is not Authority.OWNER])
def test_nobody_but_the_owner_decides(authority: Authority):
    pending, _ = waiting()
    text = settle(pending, "Q1 allow-once", replace(OWNER, authority=authority))
    assert text is not None
    assert "Only the owner" in text
    assert len(pending) == 1


def test_a_question_that_is_gone_is_told():
    pending, _ = waiting()
    text = settle(pending, "Q2 deny", OWNER)
    assert text is not None
    assert "Nothing waits" in text
