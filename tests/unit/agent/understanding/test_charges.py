"""What reading costs is reserved and on record."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from carapace.agent.pricing import Price
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import Usage
from carapace.agent.records_usage import day_totals
from carapace.agent.usage import RunUsage
from carapace.errors import Refused
from carapace.store.ports import Database, Row
from support.database import memory_database
from support.scripted_provider import ScriptedProvider
from support.understanding import asker, charges


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    async with memory_database() as made:
        yield made


async def rows(database: Database) -> list[Row]:
    return list(await database.read(lambda tx: tx.all("SELECT run_id, model FROM usage", ())))


async def test_a_cap_that_is_used_up_refuses_the_next_request(tmp_path: Path, database: Database):
    paid = charges(tmp_path, database, daily_tokens=100)
    first = await paid.reserve(asker(), input_tokens=90, max_output_tokens=20, price=None)
    with pytest.raises(Refused, match="daily cap"):
        await paid.reserve(asker(), input_tokens=1, max_output_tokens=1, price=None)
    first.release()
    again = await paid.reserve(asker(), input_tokens=1, max_output_tokens=1, price=None)
    again.release()


async def test_each_reading_has_a_line_beside_those_of_the_turn(tmp_path: Path, database: Database):
    paid, used = charges(tmp_path, database), RunUsage()
    used.add(ModelTarget("v", "m", ScriptedProvider(), pricing=Price(input=2.0)), Usage(500, 10))
    for _ in range(2):
        await paid.record(used, asker(), "summary")
    ids = {row["run_id"] for row in await rows(database)}
    assert len(ids) == 2
    assert all(one.startswith("r1/summary-") for one in ids)
    (day,) = await database.read(lambda tx: day_totals(tx, "2000-01-01"))
    assert (day.usage, day.cost_nano_usd) == (Usage(1_000, 20), 2_000_000)


async def test_where_nobody_answered_nothing_is_written(tmp_path: Path, database: Database):
    await charges(tmp_path, database).record(RunUsage(), asker(), "summary")
    assert await rows(database) == []
