"""A removed plugin leaves nothing; its neighbours stay."""

from __future__ import annotations

from carapace.plugins.capabilities import kv_records, poll_records, timer_records
from carapace.plugins.capabilities.leftovers import erase_plugin
from carapace.plugins.capabilities.poll_records import HeldPoll
from carapace.plugins.capabilities.timer_records import Alarm
from support.database import memory_database


async def test_everything_of_the_plugin_goes():
    def fill(tx, plugin: str) -> None:
        kv_records.put(tx, plugin, ("k", "v"), expires_at_ms=None, max_bytes=999, now_ms=0)
        timer_records.put(tx, plugin, Alarm("t", 1, "", "s"), max_count=9)
        poll_records.put(tx, plugin, HeldPoll(name="p", request="{}", payload=""), max_count=9)

    def kept(tx, plugin: str) -> tuple[int, int, int]:
        return (
            kv_records.size(tx, plugin),
            timer_records.count(tx, plugin),
            len(poll_records.all_of(tx, plugin)),
        )

    def work(tx):
        fill(tx, "demo")
        fill(tx, "other")
        erase_plugin(tx, "demo")
        return kept(tx, "demo"), kept(tx, "other")

    async with memory_database() as database:
        gone, stayed = await database.write(work)
    assert gone == (0, 0, 0)
    assert stayed == (66, 1, 1)


async def test_every_table_of_plugins_is_emptied():
    def work(tx):
        tables = [
            row["name"]
            for row in tx.all("SELECT name FROM sqlite_master WHERE name LIKE 'plugin_%'")
            if row["name"] in {"plugin_kv", "plugin_kv_usage", "plugin_timers", "plugin_polls"}
        ]
        kv_records.put(tx, "demo", ("k", "v"), expires_at_ms=None, max_bytes=999, now_ms=0)
        timer_records.put(tx, "demo", Alarm("t", 1, "", "s"), max_count=9)
        poll_records.put(tx, "demo", HeldPoll(name="p", request="{}", payload=""), max_count=9)
        erase_plugin(tx, "demo")
        assert len(tables) == 4
        for table in tables:
            assert tx.one(f"SELECT count(*) AS n FROM {table}")["n"] == 0  # noqa: S608 - names of the schema

    async with memory_database() as database:
        await database.write(work)
