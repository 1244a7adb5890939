"""Conversations as clients list, change and end them; each change renews health."""

from __future__ import annotations

import pytest

from carapace.agent.providers.ports import TextDelta
from carapace.errors import Refused
from carapace.ids import RunId
from support.methods import MethodHouse, method_house
from support.scripted_provider import Hang, say


async def talk(house: MethodHouse, run_id: str = "r1") -> None:
    await house.call(
        "chat.send", {"sessionKey": "main", "message": "hello", "idempotencyKey": run_id}
    )
    assert await house.services.agent.wait(RunId(run_id), 5)


async def test_a_session_is_listed_and_previewed():
    async with method_house(say("Hi")) as house:
        await talk(house)
        page = await house.call("sessions.list")
        assert [row["key"] for row in page["sessions"]] == ["agent:main:main"]
        (preview,) = (await house.call("sessions.preview", {"keys": ["main"]}))["previews"]
    assert [item["role"] for item in preview["items"]] == ["user", "assistant"]


@pytest.mark.parametrize("method", ["sessions.reset", "sessions.delete"])
async def test_what_runs_in_a_session_is_ended_before_it_goes(method: str):
    async with method_house((TextDelta("Well"), Hang())) as house:
        sent = {"sessionKey": "agent:main:side", "message": "x", "idempotencyKey": "r1"}
        await house.call("chat.send", sent)
        run = await house.services.agent.find(RunId("r1"))
        assert run is not None
        answer = await house.call(method, {"key": "agent:main:side"})
        assert answer["ok"]
        assert run.outcome is not None
        assert run.outcome.summary == "aborted"


async def test_the_main_session_keeps_its_run_when_it_cannot_be_deleted():
    async with method_house((TextDelta("Well"), Hang())) as house:
        await house.call(
            "chat.send", {"sessionKey": "main", "message": "x", "idempotencyKey": "r1"}
        )
        run = await house.services.agent.find(RunId("r1"))
        with pytest.raises(Refused, match="main session"):
            await house.call("sessions.delete", {"key": "main"})
        assert run is not None
        assert run.outcome is None


async def test_history_is_oldest_first():
    async with method_house(say("Hi")) as house:
        await talk(house)
        page = await house.call("chat.history", {"sessionKey": "main", "limit": 10})
    assert [message["role"] for message in page["messages"]] == ["user", "assistant"]


async def test_each_change_is_answered_and_renews_health():
    async with method_house(say("Hi")) as house:
        await talk(house)
        for method, params, check in (
            ("sessions.patch", {"key": "main", "label": "L"}, ("entry", "label", "L")),
            ("sessions.compact", {"key": "main", "maxLines": 1}, ("compacted", None, True)),
            ("sessions.reset", {"key": "main"}, ("entry", "totalTokens", None)),
            ("sessions.delete", {"key": "agent:main:side"}, ("deleted", None, False)),
        ):
            assert await house.tasks.drain(5)
            await house.clock.advance(1)
            before = house.services.health.version
            answer = await house.call(method, params)
            name, inner, value = check
            found = answer[name].get(inner) if inner else answer[name]
            assert (method, answer["ok"]) == (method, True)
            if value is not None:
                assert (method, found) == (method, value)
            assert await house.tasks.drain(5)
            assert house.services.health.version > before, method
