"""Who may use which tool."""

from __future__ import annotations

import asyncio

import pytest

from carapace.agent.approval import (
    ApprovalRequest,
    Approvals,
    Decision,
    DenyAll,
    Risk,
    Ruling,
    ToolPolicy,
    Verdict,
)
from carapace.agent.types import RunSource
from carapace.provenance import OWNER, Authority, Origin, Provenance


class Says:
    """An approver with one answer."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.asked: list[ApprovalRequest] = []

    async def decide(self, request: ApprovalRequest) -> Ruling:
        self.asked.append(request)
        return Ruling(self.decision, bound_to="digest")


class NeverAnswers:
    """An approver whose person went away."""

    async def decide(self, request: ApprovalRequest) -> Ruling:
        await asyncio.Event().wait()
        raise AssertionError(request)


STRANGER = Provenance(origin=Origin.OUTSIDE, authority=Authority.OUTSIDE)


def request(risk: Risk, provenance: Provenance = OWNER) -> ApprovalRequest:
    return ApprovalRequest(
        run_id="r",
        session_key="s",
        agent_id="main",
        tool="t",
        arguments="{}",
        risk=risk,
        provenance=provenance,
    )


@pytest.mark.parametrize(
    "words",
    [
        OWNER,
        Provenance(origin=Origin.HTTP, authority=Authority.OWNER),
        Provenance(origin=Origin.CHANNEL, authority=Authority.OWNER),
    ],
)
async def test_an_owner_uses_what_the_agent_owns_unasked(words: Provenance):
    approver = Says(Decision.DENY)
    approvals = Approvals(approver)
    assert (await approvals.permit(request(Risk.READ, words))).decision is Decision.ALLOW
    assert (await approvals.permit(request(Risk.WRITE, words))).decision is Decision.ALLOW
    assert approver.asked == []


@pytest.mark.parametrize("risk", [Risk.OUTSIDE, Risk.DANGEROUS])
async def test_what_is_risky_needs_a_yes(risk: Risk):
    yes = Says(Decision.ALLOW)
    assert await Approvals(yes).permit(request(risk)) == Ruling(Decision.ALLOW, bound_to="digest")
    assert yes.asked[0].risk is risk
    assert (await Approvals(DenyAll()).permit(request(risk))).decision is Decision.DENY


async def test_advisory_j01_words_from_outside_have_no_owner_rights():
    yes = Says(Decision.ALLOW)
    approvals = Approvals(yes)
    for risk in Risk:
        assert (await approvals.permit(request(risk, STRANGER))).decision is Decision.DENY
        assert approvals.policy.verdict("t", risk, RunSource.OUTSIDE) is Verdict.DENY
    assert yes.asked == []


@pytest.mark.parametrize("authority", [Authority.PAIRED, Authority.GUEST])
async def test_only_the_owners_words_use_what_is_the_owners(authority: Authority):
    yes = Says(Decision.ALLOW)
    words = Provenance(origin=Origin.CHANNEL, authority=authority)
    for risk in (Risk.READ, Risk.OUTSIDE, Risk.DANGEROUS):
        assert (await Approvals(yes).permit(request(risk, words))).decision is Decision.DENY
    assert yes.asked == []
    assert (await Approvals(yes).permit(request(Risk.WRITE, words))).decision is Decision.ALLOW
    assert len(yes.asked) == 1


async def test_words_without_authority_use_nothing_whoever_is_asked():
    yes = Says(Decision.ALLOW)
    words = Provenance(origin=Origin.CHANNEL, authority=Authority.NONE)
    for risk in Risk:
        assert (await Approvals(yes).permit(request(risk, words))).decision is Decision.DENY
    assert yes.asked == []


async def test_advisory_j08_silence_is_a_no():
    approvals = Approvals(NeverAnswers(), timeout_s=0.01)
    assert (await approvals.permit(request(Risk.DANGEROUS))).decision is Decision.DENY


def test_a_denied_name_stays_denied_whatever_is_allowed():
    policy = ToolPolicy(allow=frozenset({"a", "b"}), deny=frozenset({"b"}))
    verdicts = {name: policy.verdict(name, Risk.READ, RunSource.OPERATOR) for name in "abc"}
    assert verdicts == {"a": Verdict.ALLOW, "b": Verdict.DENY, "c": Verdict.DENY}


def test_what_no_rule_names_is_denied():
    policy = ToolPolicy(rules={})
    assert policy.verdict("t", Risk.READ, RunSource.OPERATOR) is Verdict.DENY
