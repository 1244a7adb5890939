"""A turn that had nothing to say leaves nothing in its conversation."""

from __future__ import annotations

from carapace.ids import RunId
from carapace.sessions.silence import silence
from support.agent_house import MAIN, AgentHouse, agent_house, done
from support.scripted_provider import call_tool, echo, say


async def hushed(house: AgentHouse, run_id: str, updated_at_ms: int | None = 5) -> bool:
    entry = await house.sessions.get(MAIN)
    assert entry is not None
    return await house.database.write(
        lambda tx: silence(
            tx,
            MAIN,
            entry.session_id,
            RunId(run_id),
            updated_at_ms=updated_at_ms,
            now_ms=9,
        )
    )


async def said(house: AgentHouse) -> list[str]:
    return [one.text for one in await house.sessions.history(MAIN)]


async def test_question_and_answer_are_gone_and_others_stay():
    async with agent_house(echo) as house:
        for run_id in ("r", "r1", "r/2"):
            await done(house, run_id, run_id)
        assert await hushed(house, "r1")
        assert await said(house) == ["r", "Echo: r", "r/2", "Echo: r/2"]
        entry = await house.sessions.get(MAIN)
        assert entry is not None
        assert entry.updated_at_ms == 5


async def test_a_turn_that_did_something_stays():
    async with agent_house(call_tool("current_time"), say("HEARTBEAT_OK")) as house:
        await done(house, "look", "r1")
        before = await said(house)
        assert not await hushed(house, "r1")
        assert await said(house) == before


async def test_the_time_is_left_alone_if_it_is_not_known():
    async with agent_house(echo) as house:
        await done(house, "hi", "r1")
        before = await house.sessions.get(MAIN)
        assert await hushed(house, "r1", None)
        after = await house.sessions.get(MAIN)
        assert before is not None
        assert after is not None
        assert after.updated_at_ms == before.updated_at_ms
