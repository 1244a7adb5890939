"""Commands in the house: offered where they may run, asked about where the owner is."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.agent.approval import ApprovalRequest, Decision, Risk, Verdict
from carapace.agent.prompt import PromptStyle
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.types import RunSource
from carapace.app.execs import exec_policy, open_execs, tell_owner, warn
from carapace.config.settings.exec import ExecSettings
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.tasks import Tasks
from support.agent_house import agent_house
from support.clock import FakeClock
from support.log_lines import log_lines
from support.methods import method_house
from support.polling import until
from support.scripted_provider import say
from support.server import make_caller

ALICE = Provenance(
    origin=Origin.CHANNEL,
    authority=Authority.OWNER,
    channel="webhook",
    account="default",
    sender_id="alice",
    conversation="c1",
)


@pytest.mark.parametrize("tool", ["exec", "process"])
def test_where_no_command_may_run_none_is_offered(tool: str):
    def verdict(security: Any) -> Verdict:
        policy = exec_policy(ExecSettings(security=security))
        return policy.verdict(tool, Risk.DANGEROUS, RunSource.OPERATOR)

    assert verdict("deny") is Verdict.DENY
    assert verdict("allowlist") is verdict("full") is Verdict.ASK


async def test_an_owner_on_a_chat_service_is_asked_there():
    async with method_house() as house:
        tell = tell_owner(lambda: house.chats.parts)
        assert await tell(ALICE, "may I?")
        page = await house.call("outbox.list", {})
    (item,) = page["items"]
    assert (item["channel"], item["conversation"], item["text"]) == ("webhook", "c1", "may I?")


@pytest.mark.parametrize(
    "words",
    [
        OWNER,
        replace(ALICE, authority=Authority.PAIRED),
        replace(ALICE, origin=Origin.SESSION),
        replace(ALICE, conversation=None),
        replace(ALICE, account="gone"),
    ],
)
async def test_nobody_else_is(words: Provenance):
    async with method_house() as house:
        assert not await tell_owner(lambda: house.chats.parts)(words, "may I?")
        assert not await tell_owner(lambda: None)(ALICE, "may I?")
        assert (await house.call("outbox.list", {}))["items"] == []


@pytest.mark.parametrize(
    ("settings", "is_fence_there", "words"),
    [
        (ExecSettings(sandbox="off"), False, ""),
        (ExecSettings(security="full"), True, ""),
        (ExecSettings(security="full"), False, "none will run"),
        (ExecSettings(security="allowlist", sandbox="off"), True, "not fenced in"),
    ],
)
def test_what_an_operator_may_not_expect_is_logged(
    settings: ExecSettings, is_fence_there: bool, words: str
):
    with log_lines() as lines:
        warn(settings, lambda: is_fence_there)
    assert [words in str(line["event"]) for line in lines] == ([True] if words else [])


async def test_settings_count_at_once_and_what_a_crash_left_is_gone(tmp_path: Path):
    left = tmp_path / "exec" / "exec-left"
    left.mkdir(parents=True)
    here = make_caller(scopes=("operator.approvals",))
    async with AsyncExitStack() as stack, agent_house(say("x")) as house:
        execs = open_execs(
            ExecSettings(),
            database=house.database,
            state_dir=tmp_path,
            profiles=house.profiles,
            sessions=house.sessions,
            chats=lambda: None,
            callers=lambda: [here],
            publish=house.events.append,
            environment={"HOME": str(tmp_path / "home")},
            clock=FakeClock(),
            audit=house.audit,
            stack=stack,
        )
        runner = ToolRunner(execs.tools, execs.approvals, audit=house.audit, metrics=house.metrics)
        assert not left.exists()
        assert runner.specs(RunSource.OPERATOR, PromptStyle.FULL) == ()
        execs.apply(ExecSettings(security="full", sandbox="off"), runner)
        names = [one.name for one in runner.specs(RunSource.OPERATOR, PromptStyle.FULL)]
        assert names == ["exec", "process"]
        assert runner.specs(RunSource.VISITOR, PromptStyle.FULL) == ()
        request = ApprovalRequest(
            run_id="r",
            session_key="agent:main:main",
            agent_id="main",
            tool="message",
            arguments="{}",
            risk=Risk.OUTSIDE,
            provenance=OWNER,
        )
        deciding = Tasks("test", lambda _name, _error: None)
        ruling = deciding.start(execs.approvals.permit(request), name="permit")
        await until(lambda: house.told("exec.approval.requested"))
        (asked,) = house.told("exec.approval.requested")
        assert execs.settle(f"{asked['id']} deny", ALICE) == "Refused."
        assert (await ruling).decision is Decision.DENY
