"""Rows of one plugin: bounded, ordered, and never another's."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from carapace.plugins.capabilities import kv_records as records
from carapace.plugins.capabilities.kv_records import ENTRY_BYTES, Entry
from carapace.store.sqlite import SqliteDatabase
from support.database import memory_database

LOTS = 10**9


@pytest.fixture
async def database() -> AsyncGenerator[SqliteDatabase]:
    async with memory_database() as database:
        yield database


def put(tx, key: str, value: str = "v", plugin: str = "demo", **more) -> int | None:
    options: dict[str, Any] = {"expires_at_ms": None, "max_bytes": LOTS, "now_ms": 0, **more}
    return records.put(tx, plugin, (key, value), **options)


async def test_an_entry_is_written_found_and_deleted(database):
    def work(tx):
        assert put(tx, "a", "1") == 1
        assert put(tx, "a", "2") == 2
        assert records.find(tx, "demo", "a", now_ms=0) == Entry("a", "2", 2)
        assert records.size(tx, "demo") == ENTRY_BYTES + 2
        assert records.find(tx, "other", "a", now_ms=0) is None
        assert not records.delete(tx, "other", "a", now_ms=0)
        assert records.delete(tx, "demo", "a", now_ms=0)
        assert not records.delete(tx, "demo", "a", now_ms=0)
        assert records.size(tx, "demo") == 0
        # Not 1 again: somebody may still hold revision 2 for its compare-and-set.
        assert put(tx, "a") == 3

    await database.write(work)


async def test_an_entry_ends(database):
    def work(tx):
        put(tx, "a", expires_at_ms=100)
        assert records.find(tx, "demo", "a", now_ms=99) is not None
        assert records.find(tx, "demo", "a", now_ms=100) is None
        assert not records.delete(tx, "demo", "a", now_ms=100)
        assert records.size(tx, "demo") == 0

    await database.write(work)


async def test_the_quota_counts_bytes_and_entries(database):
    def work(tx):
        cap = 2 * (ENTRY_BYTES + 3)
        assert put(tx, "a", "é", max_bytes=cap) == 1
        assert put(tx, "b", "12", max_bytes=cap) == 2
        assert put(tx, "b", "123", max_bytes=cap) is None
        assert put(tx, "c", "", max_bytes=cap) is None
        assert put(tx, "b", "1", max_bytes=cap) == 3
        assert put(tx, "b", "12", plugin="other", max_bytes=cap) == 1

    await database.write(work)


async def test_what_is_over_makes_room(database):
    def work(tx):
        cap = 2 * (ENTRY_BYTES + 2)
        put(tx, "a", max_bytes=cap, expires_at_ms=10)
        put(tx, "b", max_bytes=cap, expires_at_ms=10)
        assert put(tx, "c", max_bytes=cap, now_ms=9) is None
        assert put(tx, "a", "2", max_bytes=cap, now_ms=10) is not None
        assert put(tx, "c", max_bytes=cap, now_ms=10) is not None
        assert records.size(tx, "demo") == cap
        # What was dropped in vain is not counted any longer either.
        put(tx, "a", "3", max_bytes=cap, expires_at_ms=20)
        assert put(tx, "d", "x" * 999, max_bytes=cap, now_ms=30) is None
        assert records.size(tx, "demo") == ENTRY_BYTES + 2

    await database.write(work)


async def test_a_rewritten_entry_that_was_over_is_counted_once(database):
    def work(tx):
        cap = ENTRY_BYTES + 2
        put(tx, "a", max_bytes=cap, expires_at_ms=10)
        assert put(tx, "a", "12", max_bytes=cap, now_ms=20) is None
        assert put(tx, "a", "1", max_bytes=cap, now_ms=20) is not None
        assert records.size(tx, "demo") == cap

    await database.write(work)


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        ("", ["a", "a/1", "a/2", "ab", "b\ud7ff", "b\ue000", "z\U0010ffff", "z\U0010ffffq"]),
        ("a/", ["a/1", "a/2"]),
        ("b\ud7ff", ["b\ud7ff"]),
        ("z\U0010ffff", ["z\U0010ffff", "z\U0010ffffq"]),
        ("\U0010ffff", []),
    ],
)
async def test_a_scan_gives_what_begins_so_in_order(database, prefix, keys):
    def work(tx):
        for key in ("b\ue000", "ab", "a/2", "a", "z\U0010ffffq", "a/1", "b\ud7ff", "z\U0010ffff"):
            put(tx, key)
        put(tx, "a/other", plugin="other")
        put(tx, "a/over", expires_at_ms=1)
        found = records.scan(tx, "demo", prefix, after=None, limit=99, now_ms=5)
        assert [entry.key for entry in found] == keys
        rest = records.scan(tx, "demo", prefix, after=keys[0] if keys else "", limit=2, now_ms=5)
        assert [entry.key for entry in rest] == keys[1:3]

    await database.write(work)


async def test_everything_of_one_plugin_is_erased(database):
    def work(tx):
        put(tx, "a")
        put(tx, "a", plugin="other")
        records.erase(tx, "demo")
        assert records.size(tx, "demo") == 0
        assert records.find(tx, "demo", "a", now_ms=0) is None
        assert records.find(tx, "other", "a", now_ms=0) is not None

    await database.write(work)
