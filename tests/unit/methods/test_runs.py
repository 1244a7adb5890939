"""`agent` answers twice; `agent.wait` waits."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.providers.ports import TextDelta
from carapace.errors import Failed, Refused
from carapace.ids import RunId
from support.methods import FakeCall, method_house
from support.scripted_provider import Hang, say

HANGING = (TextDelta("w0"), Hang())


def asking(run_id: str = "r1", **more: Any) -> dict[str, Any]:
    return {"message": "hello", "idempotencyKey": run_id, **({"agentId": "main"} | more)}


async def test_the_first_answer_is_acceptance_the_second_the_result():
    call = FakeCall()
    async with method_house(say("Hi")) as house:
        final = await house.call("agent", asking(), call)
        now_ms = house.clock.now_ms()
    assert call.accepted == [{"runId": "r1", "status": "accepted", "acceptedAt": now_ms}]
    assert (final["runId"], final["status"], final["summary"]) == ("r1", "ok", "completed")
    assert final["result"]["payloads"] == [{"text": "Hi", "mediaUrl": None}]


async def test_the_same_key_again_is_answered_from_what_is_kept():
    async with method_house(say("Hi")) as house:
        first = await house.call("agent", asking())
        call = FakeCall()
        assert (await house.call("agent", asking(), call))["summary"] == first["summary"]
        assert call.accepted == []
        assert len(house.agent_house.provider.requests) == 1


async def test_a_key_whose_run_has_not_ended_is_in_flight():
    async with method_house(HANGING) as house:
        await house.call(
            "chat.send", {"sessionKey": "main", "message": "x", "idempotencyKey": "r1"}
        )
        assert (await house.call("agent", asking()))["status"] == "in_flight"


async def test_a_failed_run_is_an_error_with_its_payload():
    def broken(_request: object) -> Any:
        raise RuntimeError("a bug")

    async with method_house(broken) as house:
        with pytest.raises(Failed) as caught:
            await house.call("agent", asking())
    assert "failed inside the gateway" in caught.value.message
    assert (caught.value.payload.run_id, caught.value.payload.status) == ("r1", "error")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"agentId": "nobody"}, 'unknown agent id "nobody"'),
        ({"channel": "fax"}, "unknown channel: fax"),
        ({"replyChannel": "fax"}, "unknown channel: fax"),
        ({"sessionKey": "agent:other:main"}, "does not match session key"),
    ],
)
async def test_what_is_not_there_is_refused_before_anything_is_written(
    params: dict[str, Any], text: str
):
    async with method_house() as house:
        with pytest.raises(Refused, match=text):
            await house.call("agent", asking(**params))
        assert await house.services.agent.find(RunId("r1")) is None


async def test_a_run_without_any_target_is_accepted_and_then_fails_as_clients_expect():
    call = FakeCall()
    async with method_house() as house:
        with pytest.raises(Failed, match="choose a session"):
            await house.call("agent", {"message": "x", "idempotencyKey": "r1"}, call)
    assert call.accepted[0]["status"] == "accepted"


async def test_the_session_is_that_of_key_id_agent_or_the_main_one():
    async with method_house(say("Hi")) as house:
        entry = await house.services.sessions.ensure("agent:main:side")
        for run_id, target, key in (
            ("a", {"sessionKey": "side", "agentId": None}, "agent:main:side"),
            ("b", {"sessionId": entry.session_id, "agentId": None}, "agent:main:side"),
            ("c", {}, "agent:main:main"),
            ("d", {"to": "+15550100", "agentId": None}, "agent:main:main"),
            ("e", {"sessionId": "unknown", "agentId": None}, "agent:main:main"),
        ):
            await house.call("agent", asking(run_id, **target))
            run = await house.services.agent.find(RunId(run_id))
            assert run is not None
            assert (run_id, run.session_key) == (run_id, key)


async def test_waiting_ends_with_the_run_or_with_the_time():
    async with method_house(say("Hi")) as house:
        await house.call("agent", asking())
        done = await house.call("agent.wait", {"runId": "r1", "timeoutMs": 1000})
        assert (done["status"], done["runId"]) == ("ok", "r1")
        assert done["startedAt"] <= done["endedAt"]
        late = await house.call("agent.wait", {"runId": "unknown", "timeoutMs": 0})
    assert late == {"runId": "unknown", "status": "timeout"}


@pytest.mark.parametrize("channel", ["whatsapp", "Telegram", "gchat", "webchat", "last", " "])
async def test_a_known_channel_is_only_a_hint_without_a_target(channel: str):
    """The stock command line names one in every call."""
    async with method_house(say("Hi")) as house:
        final = await house.call("agent", asking(channel=channel, deliver=True))
    assert final["status"] == "ok"


@pytest.mark.parametrize("more", [{"channel": "telegram"}, {"replyChannel": "Telegram"}])
async def test_an_answer_for_somebody_on_a_channel_that_is_off_fails(more: dict[str, Any]):
    async with method_house() as house:
        with pytest.raises(Failed, match="Outbound not configured for channel: telegram"):
            await house.call("agent", asking(deliver=True, replyTo="5", **more))
        assert house.agent_house.provider.requests == []
