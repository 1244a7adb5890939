"""SQL of the memory."""

from __future__ import annotations

from carapace.agent.tools import memory_records as records
from support.database import memory_database


async def test_entries_are_counted_per_agent():
    async with memory_database() as database:
        await database.write(
            lambda tx: records.write(tx, "a", name="n", text="t", run_id="r", now_ms=1)
        )
        assert await database.read(lambda tx: records.count(tx, "a")) == 1
        assert await database.read(lambda tx: records.count(tx, "b")) == 0
        found = await database.read(lambda tx: records.get(tx, "a", "n"))
        assert found == records.Memory("n", "t", 1)
