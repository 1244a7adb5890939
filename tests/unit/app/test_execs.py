"""Commands in the house: offered where they may run, asked about where the owner is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from carapace.agent.approval import Risk, Verdict
from carapace.agent.types import RunSource
from carapace.app.execs import exec_policy, tell_owner
from carapace.config.settings.exec import ExecSettings
from carapace.provenance import OWNER, Authority, Origin, Provenance
from support.methods import method_house

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
