"""Heartbeats run turns of the main session, and leave no trace when there is nothing to say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.agent.types import RunSource
from carapace.channels.types import Target
from carapace.errors import Failed
from carapace.ids import RunId
from carapace.provenance import OWNER
from support.agent_house import MAIN, AgentHouse, done
from support.heartbeats import AGENT, beats, sources_of
from support.scripted_provider import Hang, say

NOTHING = say("HEARTBEAT_OK")
LAST = Target(channel="loop", account="default", conversation="room")


async def said(house: AgentHouse) -> list[str]:
    return [one.text for one in await house.sessions.history(MAIN)]


async def test_one_comes_when_its_time_is_over_and_leaves_nothing():
    async with beats(say("hello"), NOTHING) as room:
        await done(room.house, "hi")
        before = await room.house.sessions.get(MAIN)
        await room.pass_until(1)
        assert room.clock.monotonic() >= 1_800
        [event] = room.events()
        assert (event["status"], event["reason"], event["silent"]) == ("ok-token", "interval", True)
        assert event["indicatorType"] == "ok"
        assert room.heartbeats.last is not None
        assert await said(room.house) == ["hi", "hello"]
        after = await room.house.sessions.get(MAIN)
        assert before is not None
        assert after is not None
        assert after.updated_at_ms == before.updated_at_ms
        assert [one["state"] for one in room.house.told("chat")] == ["delta", "final"]


async def test_words_reach_the_person_and_the_clients():
    async with beats(say("The door is open.")) as room:
        room.routes.last_target = LAST
        event = await room.woken()
        assert (event["status"], event["channel"], event["to"]) == ("sent", "loop", "room")
        assert (event["preview"], event["indicatorType"]) == ("The door is open.", "alert")
        assert room.sent == [(LAST, "The door is open.")]
        [final] = room.house.told("chat")
        assert final["message"]["content"][0]["text"] == "The door is open."
        assert (await said(room.house))[-1] == "The door is open."


async def test_the_same_words_are_said_once_a_day():
    async with beats(say("The door is open.")) as room:
        room.routes.last_target = LAST
        await room.woken()
        event = await room.woken(2)
        assert (event["status"], event["reason"]) == ("skipped", "duplicate")
        room.clock.jump(timedelta(days=2))
        assert (await room.woken(3))["status"] == "sent"


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, None),
        ({"target": "none"}, None),
        ({"target": "loop"}, None),
        ({"target": "away", "to": "x"}, None),
        (
            {"target": "loop", "to": "x"},
            Target(channel="loop", account="default", conversation="x"),
        ),
    ],
)
async def test_where_it_goes_without_a_last_place(wish: dict[str, Any], expected: Target | None):
    async with beats(say("words"), **wish) as room:
        event = await room.woken()
        assert event["status"] == ("sent" if expected else "skipped")
        assert [target for target, _ in room.sent] == ([expected] if expected else [])


async def test_somebody_else_at_the_last_place_can_be_named():
    async with beats(say("words"), to="you") as room:
        room.routes.last_target = replace(LAST, thread_id="t")
        await room.woken()
        assert [target for target, _ in room.sent] == [replace(LAST, conversation="you")]


async def test_without_anything_to_look_at_no_model_is_asked():
    async with beats(NOTHING) as room:
        room.has_tasks = False
        await room.pass_until(1)
        assert room.events()[0]["reason"] == "empty-heartbeat-file"
        assert room.house.provider.requests == []
        # What came in meanwhile is something to look at.
        await room.wakes.leave(MAIN, AGENT, RunId("n"), "the mail is there", provenance=OWNER)
        await room.pass_until(2)
        assert room.events()[1]["status"] == "ok-token"


async def test_a_note_of_the_owner_keeps_the_owners_rights():
    async with beats(NOTHING) as room:
        await room.wakes.leave(MAIN, AGENT, RunId("n"), "look", provenance=OWNER, wants_turn=True)
        await room.pass_until(1, step_s=5)
        assert await sources_of(room) == [RunSource.OPERATOR]


async def test_what_one_of_several_notes_lacks_the_turn_lacks():
    async with beats(NOTHING) as room:
        for number, words in enumerate((OWNER.without_admin(), OWNER)):
            await room.wakes.leave(MAIN, AGENT, RunId(f"n{number}"), "look", provenance=words)
        await room.wakes.leave(MAIN, AGENT, RunId("n"), "now", provenance=OWNER, wants_turn=True)
        await room.pass_until(1, step_s=5)
        rows = await room.house.database.read(lambda tx: tx.all("SELECT provenance FROM turns"))
        assert [json.loads(row["provenance"])["lacks_admin"] for row in rows] == [True]


async def test_switched_off_nothing_runs():
    async with beats(NOTHING) as room:
        room.heartbeats.set_enabled(False)
        room.heartbeats.wake(AGENT, "wake")
        for _ in range(40):
            await room.clock.advance(60)
        assert room.events() == []
        room.heartbeats.set_enabled(True)
        await room.pass_until(1)


async def test_outside_its_hours_nothing_runs():
    async with beats(NOTHING, activeHours={"start": "08:00", "end": "09:00"}) as room:
        room.heartbeats.wake(AGENT, "wake")
        for _ in range(40):
            await room.clock.advance(60)
        assert room.events() == []
        for zone in ("local", "Not/There", "user"):
            room.settings = {"activeHours": {"start": "00:00", "end": "24:00", "timezone": zone}}
            await room.woken(len(room.events()) + 1)


async def test_trouble_is_told_and_the_next_one_comes():
    async with beats((Hang(),), NOTHING) as room:
        await room.begun()
        await room.house.agent.abort(MAIN)
        await room.pass_until(1, step_s=0.5)
        event = room.events()[0]
        assert (event["status"], event["indicatorType"]) == ("failed", "error")
        assert (await room.woken(2))["status"] == "ok-token"


async def test_an_empty_answer_says_nothing():
    async with beats(say("")) as room:
        assert (await room.woken())["status"] == "ok-empty"


async def test_a_stop_of_the_gateway_is_no_heartbeat():
    async with beats((Hang(),)) as room:
        await room.begun()
        await room.house.agent.drain(0)
        await room.clock.advance(1)
        assert room.events() == []


async def test_what_breaks_inside_is_told_as_failed():
    async with beats(NOTHING) as room:

        async def broken(_key: Any) -> Any:
            raise RuntimeError("broken")

        parts = room.heartbeats._parts
        room.heartbeats._parts = replace(parts, used_at_ms=broken)
        assert (await room.woken())["status"] == "failed"


async def test_notes_elsewhere_wake_nobody():
    async with beats(NOTHING) as room:
        key = room.house.sessions.key("agent:main:other")
        await room.wakes.leave(key, AGENT, RunId("n"), "x", wants_turn=True)
        for _ in range(10):
            await room.clock.advance(11)
        assert room.events() == []


async def test_a_database_that_does_not_answer_is_asked_again():
    async with beats(NOTHING) as room:
        real, fails = room.wakes.wanted, [True]

        async def wanted() -> Any:
            if fails.pop() if fails else False:
                raise Failed("busy", retryable=True)
            return await real()

        room.wakes.wanted = wanted
        assert (await room.woken())["status"] == "ok-token"
