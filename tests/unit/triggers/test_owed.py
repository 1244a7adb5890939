"""What a hook was promised outlives the process, a few times and for an hour."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carapace.clock import SystemClock
from carapace.errors import Failed
from carapace.store.ports import Database, Tx
from carapace.triggers import owed_records
from carapace.triggers.owed import OwedHooks
from support.agent_house import AgentHouse, ask, build_house
from support.clock import FakeClock
from support.database import memory_database
from support.scripted_provider import Hang, ScriptedProvider, say

RUN = str(uuid.UUID(int=7))


@asynccontextmanager
async def process(database: Database, *scripts: Any) -> AsyncGenerator[AgentHouse]:
    """One life of the gateway: it recovers, and whatever runs at its end is cut."""
    with tempfile.TemporaryDirectory(prefix="carapace-owed-") as folder:
        house = build_house(database, Path(folder), ScriptedProvider(*scripts), clock=SystemClock())
        await house.agent.recover()
        try:
            yield house
        finally:
            await house.agent.drain(0.0)


async def kept(database: Database) -> int:
    def work(tx: Tx) -> int:
        row = tx.one("SELECT count(*) FROM hook_runs")
        assert row is not None
        return row[0]

    return await database.read(work)


async def test_a_run_that_was_cut_begins_again_and_is_answered():
    clock = FakeClock()
    async with memory_database() as database:
        async with process(database, [Hang()]) as house:
            await OwedHooks(house.agent, database, clock).begin(ask("hello", RUN))
            await house.provider.hanging.wait()
        async with process(database, say("answered")) as house:
            hooks = OwedHooks(house.agent, database, clock)
            assert await hooks.resume() == 1
            again = await house.agent.find(_next(RUN))
            assert again is not None
            assert (await again.ended()).status == "ok"
            texts = [one.text for one in await house.sessions.history("main")]
            assert texts[-1] == "answered"
            assert await hooks.resume() == 0
            assert await kept(database) == 0


def _next(run_id: str) -> Any:
    return str(uuid.uuid5(uuid.UUID(run_id), "again"))


async def test_a_run_that_ended_is_not_begun_again():
    clock = FakeClock()
    async with memory_database() as database:
        async with process(database, say("answered")) as house:
            hooks = OwedHooks(house.agent, database, clock)
            await hooks.begin(ask("hello", RUN))
            run = await house.agent.find(ask("", RUN).run_id)
            assert run is not None
            await run.ended()
        async with process(database) as house:
            assert await OwedHooks(house.agent, database, clock).resume() == 0
            assert house.provider.requests == []
        assert await kept(database) == 0


async def test_what_was_kept_and_never_began_begins():
    clock = FakeClock()
    async with memory_database() as database:
        await database.write(
            lambda tx: owed_records.keep(tx, ask("hello", RUN), kept_at_ms=clock.now_ms())
        )
        async with process(database, say("answered")) as house:
            assert await OwedHooks(house.agent, database, clock).resume() == 1


async def test_what_is_an_hour_old_is_let_go():
    clock = FakeClock()
    async with memory_database() as database:
        await database.write(
            lambda tx: owed_records.keep(tx, ask("hello", RUN), kept_at_ms=clock.now_ms())
        )
        await clock.advance(3_601)
        async with process(database) as house:
            assert await OwedHooks(house.agent, database, clock).resume() == 0
        assert await kept(database) == 0


async def test_what_is_cut_every_time_is_given_up():
    clock = FakeClock()
    async with memory_database() as database:
        async with process(database, [Hang()]) as house:
            await OwedHooks(house.agent, database, clock).begin(ask("hello", RUN))
        begun: list[int] = []
        for _ in range(4):
            async with process(database, [Hang()]) as house:
                begun.append(await OwedHooks(house.agent, database, clock).resume())
        assert begun == [1, 1, 0, 0]
        assert await kept(database) == 0


async def test_what_was_not_taken_is_not_kept():
    async with memory_database() as database, process(database) as house:
        await house.agent.drain(0.0)
        with pytest.raises(Failed):
            await OwedHooks(house.agent, database, FakeClock()).begin(ask("hello", RUN))
        assert await kept(database) == 0


async def test_what_comes_in_meanwhile_is_not_begun_twice():
    clock = FakeClock()
    async with memory_database() as database, process(database, say("answered")) as house:
        hooks = OwedHooks(house.agent, database, clock)
        asked = ask("hello", RUN)
        hooks._beginning.add(asked.run_id)
        await database.write(lambda tx: owed_records.keep(tx, asked, kept_at_ms=clock.now_ms()))
        assert await hooks.resume() == 0
        hooks._beginning.clear()
        run = await house.agent.submit(asked)
        assert await hooks._is_new(asked.run_id)
        await run.ended()
        assert await hooks._is_new(asked.run_id)
        assert await hooks.resume() == 0


async def test_what_cannot_begin_now_is_kept_for_the_next_start():
    clock = FakeClock()
    async with memory_database() as database:
        await database.write(
            lambda tx: owed_records.keep(tx, ask("hello", RUN), kept_at_ms=clock.now_ms())
        )
        async with process(database) as house:
            await house.agent.drain(0.0)
            assert await OwedHooks(house.agent, database, clock).resume() == 0
        assert await kept(database) == 1
