"""A session hears of a restart once, and only if what it was for was written."""

from __future__ import annotations

from carapace.triggers.restart_notes import RestartNotes
from support.agent_house import MAIN, AgentHouse, agent_house
from support.clock import FakeClock


def notes_of(house: AgentHouse) -> RestartNotes:
    return RestartNotes(house.database, FakeClock())


async def told(house: AgentHouse) -> list[str]:
    return [one.text for one in await house.sessions.history(MAIN)]


async def test_a_note_is_told_once():
    async with agent_house() as house:
        notes = notes_of(house)
        await notes.confirm(await notes.keep(MAIN, "restarted", config_hash="new"))
        assert await notes_of(house).tell("edited since") == 1
        assert await notes_of(house).tell("edited since") == 0
        assert await told(house) == ["restarted"]


async def test_a_crash_after_the_write_does_not_lose_it():
    """Killed before `confirm`: the file itself proves that the change was written."""
    async with agent_house() as house:
        await notes_of(house).keep(MAIN, "restarted", config_hash="new")
        assert await notes_of(house).tell("new") == 1
        assert await told(house) == ["restarted"]


async def test_a_crash_before_the_write_tells_nothing():
    async with agent_house() as house:
        await notes_of(house).keep(MAIN, "restarted", config_hash="new")
        assert await notes_of(house).tell("old") == 0
        assert await notes_of(house).tell("new") == 0
        assert await told(house) == []


async def test_a_change_that_was_refused_is_not_told():
    async with agent_house() as house:
        notes = notes_of(house)
        await notes.drop(await notes.keep(MAIN, "restarted", config_hash="new"))
        assert await notes.tell("new") == 0


async def test_notes_are_told_in_order():
    async with agent_house() as house:
        notes = notes_of(house)
        for text in ("first", "second"):
            await notes.confirm(await notes.keep(MAIN, text, config_hash=text))
        await notes.tell("second")
        assert sorted(await told(house)) == ["first", "second"]
