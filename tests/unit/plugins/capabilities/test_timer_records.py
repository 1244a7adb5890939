"""Alarms: one a name, counted, crossed out only if they are still the same."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.plugins.capabilities import timer_records as records
from carapace.plugins.capabilities.timer_records import Alarm
from support.database import memory_database

LATE = Alarm("late", 200, "p", "s1")
SOON = Alarm("soon", 100, "q", "s2")


async def test_alarms_are_set_and_crossed_out():
    def work(tx):
        assert records.first(tx, "demo") is None
        assert records.put(tx, "demo", LATE, max_count=2)
        assert records.put(tx, "demo", SOON, max_count=2)
        assert not records.put(tx, "demo", Alarm("third", 1, "", "s"), max_count=2)
        assert records.put(tx, "other", Alarm("third", 1, "", "s"), max_count=2)
        assert records.first(tx, "demo") == SOON
        records.postpone(tx, "demo", SOON, at_ms=300)
        assert records.first(tx, "demo") == LATE
        again = replace(SOON, at_ms=50, stamp="s3")
        assert records.put(tx, "demo", again, max_count=2)
        # The old ones are not the one that is set now.
        records.taken(tx, "demo", SOON)
        records.postpone(tx, "demo", SOON, at_ms=999)
        assert records.first(tx, "demo") == again
        records.taken(tx, "demo", again)
        assert records.remove(tx, "demo", "late")
        assert not records.remove(tx, "demo", "late")
        assert records.count(tx, "demo") == 0
        records.erase(tx, "other")
        assert records.count(tx, "other") == 0

    async with memory_database() as database:
        await database.write(work)
