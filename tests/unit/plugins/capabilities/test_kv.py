"""A plugin's own store, through its interface."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from carapace.plugins.capabilities import kv as module
from carapace.plugins.capabilities.kv import MAX_SCANNED, KvCapability
from carapace.store.sqlite import SqliteDatabase
from support.capabilities import code_of
from support.clock import FakeClock
from support.database import memory_database


@pytest.fixture
async def database() -> AsyncGenerator[SqliteDatabase]:
    async with memory_database() as database:
        yield database


def make(database, *, clock: FakeClock | None = None, plugin: str = "demo", cap: int = 10**7):
    return KvCapability(plugin, database, clock=clock or FakeClock(), max_bytes=cap).call


async def test_values_are_written_read_and_deleted(database):
    kv = make(database)
    assert await kv("get", ["a"]) is None
    assert await kv("put", ["a", "1", None]) == 1
    assert await kv("get", ["a"]) == {"key": "a", "value": "1", "revision": 1}
    assert await kv("delete", ["a"]) is True
    assert await kv("delete", ["a"]) is False
    assert await kv("get", ["a"]) is None


async def test_another_plugin_sees_nothing_of_it(database):
    await make(database)("put", ["a", "1", None])
    other = make(database, plugin="other")
    assert await other("get", ["a"]) is None
    assert await other("scan", ["", None, 100]) == []
    assert await other("delete", ["a"]) is False


async def test_compare_and_set_writes_only_what_was_expected(database):
    kv = make(database)
    assert await kv("compare-and-set", ["a", None, "1", None]) == 1
    assert await kv("compare-and-set", ["a", None, "2", None]) is None
    assert await kv("compare-and-set", ["a", 7, "2", None]) is None
    assert await kv("compare-and-set", ["a", 1, "2", None]) == 2
    await kv("delete", ["a"])
    await kv("put", ["a", "3", None])
    assert await kv("compare-and-set", ["a", 1, "4", None]) is None
    assert (await kv("get", ["a"]))["value"] == "3"


async def test_a_value_ends_with_its_time(database):
    clock = FakeClock()
    kv = make(database, clock=clock)
    await kv("put", ["a", "1", 1500.0])
    await clock.advance(1.4)
    assert await kv("get", ["a"]) is not None
    await clock.advance(0.2)
    assert await kv("get", ["a"]) is None
    assert await kv("compare-and-set", ["a", None, "2", 1e10]) == 2


async def test_a_scan_goes_on_after_a_key(database):
    kv = make(database)
    for number in range(5):
        await kv("put", [f"k{number}", "v", None])
    found = await kv("scan", ["k", "k1", 2])
    assert [entry["key"] for entry in found] == ["k2", "k3"]
    assert await kv("scan", ["x", None, 9]) == []
    assert await kv("scan", ["k", None, 0]) == []


async def test_a_scan_gives_at_most_a_hundred_and_what_fits(database, monkeypatch):
    kv = make(database)

    def fill(tx):
        for number in range(MAX_SCANNED + 5):
            module.records.put(
                tx,
                "demo",
                (f"k{number:03}", "x" * 10),
                expires_at_ms=None,
                max_bytes=10**7,
                now_ms=0,
            )

    await database.write(fill)
    assert len(await kv("scan", ["", None, 4_000_000_000])) == MAX_SCANNED
    monkeypatch.setattr(module, "_MAX_SCANNED_BYTES", 30)
    assert len(await kv("scan", ["", None, 100])) == 2
    monkeypatch.setattr(module, "_MAX_SCANNED_BYTES", 3)
    assert len(await kv("scan", ["", None, 100])) == 1


async def test_the_quota_is_an_error(database):
    kv = make(database, cap=100)
    assert await kv("put", ["a", "x" * 35, None]) == 1
    assert await code_of(kv("put", ["a", "x" * 36, None])) == "quota"
    assert await code_of(kv("compare-and-set", ["a", 1, "x" * 36, None])) == "quota"
    assert (await kv("get", ["a"]))["revision"] == 1


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("get", [""], "invalid-argument"),
        ("put", ["a", "v", 0], "invalid-argument"),
        ("put", ["a", "v", float("nan")], "invalid-argument"),
        ("put", ["a", "v", 1e300], "invalid-argument"),
        ("put", ["é" * 257, "v", None], "too-large"),
        ("put", ["a", "v" * (1024 * 1024 + 1), None], "too-large"),
        ("compare-and-set", ["a", -1, "v", None], "invalid-argument"),
    ],
)
async def test_nonsense_is_refused(database, function, arguments, code):
    assert await code_of(make(database)(function, arguments)) == code


async def test_a_database_that_is_closed_is_an_error(database):
    kv = make(database)
    await database.close()
    assert await code_of(kv("put", ["a", "1", None])) == "unavailable"
