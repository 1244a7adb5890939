"""SQL of the memory."""

from __future__ import annotations

from carapace.agent.tools import memory_records as records
from carapace.provenance import OWNER, Authority, Origin, Provenance
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


async def test_an_entry_knows_whose_words_had_it_written():
    words = Provenance(origin=Origin.CHANNEL, authority=Authority.GUEST)
    async with memory_database() as database:
        for provenance in (words, OWNER):
            await database.write(
                lambda tx, p=provenance: records.write(
                    tx, "a", name="n", text="t", run_id="r", now_ms=1, provenance=p
                )
            )
            found = await database.read(lambda tx: records.get(tx, "a", "n"))
            assert found is not None
            assert (found.authority, found.origin) == (provenance.authority, provenance.origin)
