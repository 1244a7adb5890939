"""Notes are kept in order until they are dropped."""

from __future__ import annotations

from carapace.ids import SessionKey
from carapace.store.ports import Tx
from carapace.triggers import restart_records as records
from carapace.triggers.restart_records import RestartNote
from support.database import memory_database

KEY = SessionKey("agent:main:main")


async def test_what_is_kept_comes_back_until_it_is_dropped():
    second, first = (RestartNote(one, KEY, f"text {one}", "h") for one in "ab")

    def work(tx: Tx) -> list[list[RestartNote]]:
        records.keep(tx, second, kept_at_ms=2)
        records.keep(tx, first, kept_at_ms=1)
        seen = [records.kept(tx)]
        records.confirm(tx, "a")
        records.drop(tx, "b")
        return [*seen, records.kept(tx)]

    async with memory_database() as database:
        before, after = await database.write(work)
    assert before == [first, second]
    assert after == [RestartNote("a", KEY, "text a", "h", is_written=True)]
