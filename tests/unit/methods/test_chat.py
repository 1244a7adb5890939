"""A chat window's three verbs."""

from __future__ import annotations

import base64

import pytest

from carapace.agent.providers.ports import TextDelta
from carapace.errors import Refused
from carapace.ids import RunId
from support.methods import FakeCall, method_house
from support.scripted_provider import Hang, say
from support.server import make_caller

HANGING = (TextDelta("w0"), Hang())
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n00000000").decode()


def sending(message: str = "hello", run_id: str = "r1", **more: object) -> dict[str, object]:
    return {"sessionKey": "main", "message": message, "idempotencyKey": run_id, **more}


async def test_a_message_is_started_and_its_answer_comes_as_events():
    async with method_house(say("Hi")) as house:
        assert await house.call("chat.send", sending()) == {"runId": "r1", "status": "started"}
        assert await house.services.agent.wait(RunId("r1"), 5)
        final = house.agent_house.told("chat")[-1]
        assert (final["state"], final["sessionKey"], final["runId"]) == ("final", "main", "r1")
        again = await house.call("chat.send", sending())
    assert again == {"runId": "r1", "status": "ok"}


async def test_a_run_that_is_under_way_says_so():
    async with method_house(HANGING) as house:
        await house.call("chat.send", sending())
        await house.agent_house.provider.hanging.wait()
        assert (await house.call("chat.send", sending()))["status"] == "in_flight"


async def test_a_stop_word_ends_what_runs_instead_of_being_sent():
    async with method_house(HANGING) as house:
        await house.call("chat.send", sending())
        await house.agent_house.provider.hanging.wait()
        stopped = await house.call("chat.send", sending("/stop", "r2"))
        assert stopped == {"ok": True, "aborted": True, "runIds": ["r1"]}
        assert len(house.agent_house.provider.requests) == 1


async def test_an_empty_message_needs_a_picture():
    async with method_house(say("Nice")) as house:
        with pytest.raises(Refused, match="message or attachment required"):
            await house.call("chat.send", sending("  "))
        await house.call("chat.send", sending("", attachments=[{"content": PNG}]))
        assert await house.services.agent.wait(RunId("r1"), 5)


async def test_the_session_remembers_the_window_it_was_written_in():
    async with method_house(say("Hi")) as house:
        await house.call("chat.send", sending())
        assert await house.services.agent.wait(RunId("r1"), 5)
        entry = await house.services.sessions.get("main")
    assert entry is not None
    assert entry.origin is not None
    assert (entry.origin.provider, entry.origin.label) == ("webchat", "golden")


async def test_abort_ends_one_run_or_all_of_a_session():
    async with method_house(HANGING) as house:
        await house.call("chat.send", sending())
        await house.agent_house.provider.hanging.wait()
        elsewhere = {"sessionKey": "other", "runId": "r1"}
        with pytest.raises(Refused, match="does not match sessionKey"):
            await house.call("chat.abort", elsewhere)
        done = await house.call("chat.abort", {"sessionKey": "main", "runId": "r1"})
        assert done == {"ok": True, "aborted": True, "runIds": ["r1"]}
        nothing = await house.call("chat.abort", {"sessionKey": "main"})
        assert nothing == {"ok": True, "aborted": False, "runIds": []}


async def test_a_failed_run_is_an_error_when_its_key_comes_again():
    async with method_house(HANGING) as house:
        await house.call("chat.send", sending(timeoutMs=50))
        await house.agent_house.provider.hanging.wait()
        await house.clock.advance(1)
        assert await house.services.agent.wait(RunId("r1"), 5)
        again = await house.call("chat.send", sending())
    assert again["status"] in ("ok", "error")
    assert again["runId"] == "r1"


async def test_an_injected_message_stands_in_the_transcript_without_a_model():
    async with method_house(say("unused")) as house:
        await house.call("chat.send", sending())
        assert await house.services.agent.wait(RunId("r1"), 5)
        done = await house.call("chat.inject", {"sessionKey": "main", "message": "note"})
        assert done["ok"]
        assert done["messageId"]
        history = await house.call("chat.history", {"sessionKey": "main"})
        assert history["messages"][-1]["content"][0]["text"] == "note"
        assert len(house.agent_house.provider.requests) == 1


async def test_a_reset_from_a_window_needs_an_administrator():
    writer = FakeCall(make_caller(scopes=("operator.write",)))
    async with method_house(say("Hi")) as house:
        await house.call("chat.send", sending("apricot"))
        assert await house.services.agent.wait(RunId("r1"), 5)
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await house.call("chat.send", sending("/new", "r2"), writer)
        kept = await house.call("chat.history", {"sessionKey": "main"})
        assert any("apricot" in str(message["content"]) for message in kept["messages"])
        await house.call("chat.send", sending("/new", "r3"))
        assert await house.services.agent.wait(RunId("r3"), 5)
        fresh = await house.call("chat.history", {"sessionKey": "main"})
        assert not any("apricot" in str(message["content"]) for message in fresh["messages"])


async def test_a_window_whose_conversation_may_not_send_is_told():
    async with method_house(say("Hi")) as house:
        await house.call("chat.send", sending("/send off"))
        with pytest.raises(Refused, match="send blocked by session policy"):
            await house.call("chat.send", sending("hello", "r2"))
        await house.call("chat.send", sending("/send inherit", "r3"))
        await house.call("chat.send", sending("hello", "r4"))
        assert await house.services.agent.wait(RunId("r4"), 5)


@pytest.mark.parametrize(
    ("text", "scopes", "may"),
    [
        ("/think high", ("operator.write",), False),
        ("/think", ("operator.write",), True),
        ("/model list", ("operator.write",), True),
        ("/compact", ("operator.write",), False),
        ("/status", ("operator.write",), True),
        ("/think high", ("operator.admin",), True),
    ],
)
async def test_a_typed_command_needs_what_its_method_needs(
    text: str, scopes: tuple[str, ...], may: bool
):
    caller = FakeCall(make_caller(scopes=scopes))
    async with method_house(say("unused")) as house:
        if not may:
            with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
                await house.call("chat.send", sending(text), caller)
            return
        assert (await house.call("chat.send", sending(text), caller))["status"] == "started"
        assert house.agent_house.told("chat")[-1]["state"] == "final"
        assert house.agent_house.provider.requests == []


async def test_what_services_alone_take_is_for_the_model_here():
    async with method_house(say("Hi")) as house:
        await house.call("chat.send", sending("/approve ABCD"))
        assert await house.services.agent.wait(RunId("r1"), 5)
        assert len(house.agent_house.provider.requests) == 1
