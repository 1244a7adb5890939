"""Where the answer of a run goes: named in the call, or where the session was last used."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.types import Submission
from carapace.channels.types import Target
from carapace.errors import Failed, Refused
from carapace.ids import RunId
from support.methods import MethodHouse, method_house
from support.scripted_provider import say

WEBHOOK = Target(channel="webhook", account="default", conversation="c1")


async def submitted(house: MethodHouse, **more: Any) -> Submission:
    """What `agent` made of its params."""
    run_id = more.pop("run_id", "r1")
    asked = {"message": "hello", "idempotencyKey": run_id, "sessionKey": "side", **more}
    await house.call("agent", asked)
    run = await house.services.agent.find(RunId(run_id))
    assert run is not None
    return run.submission


def target_of(asked: Submission) -> Target | None:
    return asked.reply_route.target if asked.reply_route is not None else None


@pytest.mark.parametrize(
    ("params", "target"),
    [
        ({"channel": "webhook", "to": "c1"}, None),
        ({"deliver": True, "channel": "webhook", "to": "c1"}, WEBHOOK),
        ({"deliver": True, "replyChannel": "Webhook", "replyTo": "c1", "to": "c2"}, WEBHOOK),
        ({"deliver": True, "channel": "webhook", "replyChannel": "webchat", "to": "c1"}, None),
        ({"deliver": True, "channel": "webhook"}, None),
        ({"deliver": True, "to": "c1"}, None),
        ({"deliver": True, "channel": "last"}, None),
    ],
)
async def test_only_an_answer_that_is_to_be_delivered_to_somebody_goes_out(
    params: dict[str, Any], target: Target | None
):
    async with method_house(say("Hi")) as house:
        assert target_of(await submitted(house, **params)) == target


async def test_the_session_remembers_where_and_last_finds_it():
    async with method_house(say("Hi")) as house:
        await submitted(house, deliver=True, channel="webhook", to="c1", threadId="t1")
        entry = await house.services.sessions.get("side")
        again = await submitted(house, run_id="r2", deliver=True)
    assert entry is not None
    assert (entry.last_channel, entry.last_to, entry.last_account_id) == (
        "webhook",
        "c1",
        "default",
    )
    found = target_of(again)
    assert found is not None
    assert (found.channel, found.conversation) == ("webhook", "c1")


@pytest.mark.parametrize(
    "more", [{"channel": "telegram"}, {"channel": "webhook", "accountId": "b"}]
)
async def test_what_is_not_connected_fails_before_anything_is_written(more: dict[str, Any]):
    async with method_house() as house:
        with pytest.raises(Failed, match="Outbound not configured for channel"):
            await submitted(house, deliver=True, to="c1", **more)
        assert await house.services.agent.find(RunId("r1")) is None


async def test_a_group_that_is_named_stays_with_the_session():
    async with method_house(say("Hi")) as house:
        group = {"groupId": "g1", "groupChannel": "general", "groupSpace": "Team"}
        await submitted(house, channel="webhook", **group)
        (row,) = (await house.call("sessions.list"))["sessions"]
    assert (row["kind"], row["chatType"], row["subject"]) == ("group", "group", "general")
    assert row["displayName"] == "Team: general"


async def test_label_and_parent_are_set_as_sessions_patch_would():
    key = "agent:main:subagent:x"
    async with method_house(say("Hi")) as house:
        await submitted(house, sessionKey=key, label=" Work ", spawnedBy="main")
        entry = await house.services.sessions.get(key)
        with pytest.raises(Refused, match="label already in use: Work"):
            await submitted(house, run_id="r2", label="Work")
    assert entry is not None
    assert (entry.label, entry.spawned_by) == ("Work", "agent:main:main")


async def test_a_chat_window_can_have_the_answer_delivered_as_well():
    async with method_house(say("Hi")) as house:
        await submitted(house, deliver=True, channel="webhook", to="c1")
        sent = {"sessionKey": "side", "message": "x", "deliver": True}
        await house.call("chat.send", sent | {"idempotencyKey": "c1"})
        await house.services.agent.wait(RunId("c1"), 5)
        run = await house.services.agent.find(RunId("c1"))
        await house.call("chat.send", sent | {"idempotencyKey": "c2", "sessionKey": "new"})
        alone = await house.services.agent.find(RunId("c2"))
    assert run is not None
    assert alone is not None
    assert target_of(run.submission) == WEBHOOK
    assert target_of(alone.submission) is None
