"""Sessions of sub-agents go some time after their end was told, also over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from carapace.agent.subagents.archive import EVERY_S
from carapace.agent.subagents.service import SpawnWish, SubAgents
from carapace.config.settings.agents import AgentDefaults, AgentsSettings, SubagentDefaults
from carapace.errors import Failed
from carapace.ids import SessionKey
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import OWNER
from support.agent_house import MAIN, AgentHouse, agent_house, ask
from support.clock import FakeClock
from support.polling import until
from support.scripted_provider import say

HOUR_S = 3_600.0


class Nest:
    """Sub-agents under a clock that a test moves."""

    def __init__(self, house: AgentHouse, clock: FakeClock) -> None:
        self.house = house
        self.clock = clock
        self.minutes = 60
        self.sub = self.over()

    def settings(self) -> AgentsSettings:
        subagents = SubagentDefaults(archive_after_minutes=self.minutes)
        return AgentsSettings(defaults=AgentDefaults(skip_bootstrap=True, subagents=subagents))

    def over(self) -> SubAgents:
        return SubAgents(
            self.house.agent,
            self.house.sessions,
            self.house.profiles,
            settings=self.settings,
            database=self.house.database,
            clock=self.clock,
        )

    async def told(self) -> SessionKey:
        """The session of one whose end was told."""
        run = await self.house.agent.submit(ask("please", "p1"))
        await run.ended()
        wish = SpawnWish(task="count")
        made = await self.sub.spawn(wish, parent=MAIN, run_id=run.run_id, provenance=OWNER)
        assert await self.sub._tasks.drain(5.0)
        return made.session_key

    async def is_there(self, key: SessionKey) -> bool:
        return await self.house.sessions.get(key) is not None


@asynccontextmanager
async def nest() -> AsyncGenerator[Nest]:
    clock = FakeClock()
    async with agent_house(say("on it"), say("42"), say("It is 42."), clock=clock) as house:
        made = Nest(house, clock)
        try:
            yield made
        finally:
            await made.sub.aclose()


async def test_a_session_stays_until_its_time_and_its_transcript_beyond():
    async with nest() as one:
        child = await one.told()
        entry = await one.house.sessions.get(child)
        await one.clock.advance(HOUR_S - 1)
        assert await one.sub.archive.sweep() == 0
        await one.clock.advance(1)
        assert await one.sub.archive.sweep() == 1
        assert not await one.is_there(child)
        assert await one.is_there(MAIN)
        assert await one.sub.archive.sweep() == 0
        assert entry is not None
        sql = "SELECT ended_by FROM transcripts WHERE session_id = ?"
        (kept,) = await one.house.database.read(lambda tx: tx.all(sql, (entry.session_id,)))
        assert kept["ended_by"] == "delete"


async def test_what_is_said_there_keeps_it():
    async with nest() as one:
        child = await one.told()
        await one.clock.advance(HOUR_S - 1)
        await one.house.sessions.patch(SessionsPatch(key=child, label="mine"))
        await one.clock.advance(HOUR_S - 1)
        assert await one.sub.archive.sweep() == 0
        await one.clock.advance(1)
        assert await one.sub.archive.sweep() == 1


async def test_after_a_restart_what_came_due_goes_at_once_and_the_rest_in_its_minute():
    async with nest() as one:
        child = await one.told()
        await one.sub.aclose()
        await one.clock.advance(2 * HOUR_S)
        one.sub = one.over()
        one.minutes = 121
        await one.sub.recover()
        await until(lambda: one.clock.sleepers)
        assert await one.is_there(child)
        await one.clock.advance(EVERY_S)
        await until_gone(one, child)


async def test_a_new_setting_counts_for_those_that_are_there():
    async with nest() as one:
        child = await one.told()
        await one.clock.advance(120)
        one.minutes = 2
        await one.sub.recover()
        await until_gone(one, child)


async def test_a_disk_that_fails_leaves_it_due(monkeypatch):
    async with nest() as one:
        child = await one.told()
        await one.clock.advance(HOUR_S)
        whole, failures = one.house.sessions.delete, [Failed("disk full")]

        async def delete(key: str, *, delete_transcript: bool = True):
            if failures:
                raise failures.pop()
            return await whole(key, delete_transcript=delete_transcript)

        monkeypatch.setattr(one.house.sessions, "delete", delete)
        await one.sub.recover()
        await until(lambda: one.clock.sleepers)
        assert not failures
        assert await one.is_there(child)
        await one.clock.advance(EVERY_S)
        await until_gone(one, child)


async def until_gone(one: Nest, key: SessionKey) -> None:
    async with asyncio.timeout(5.0):
        while await one.is_there(key):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
