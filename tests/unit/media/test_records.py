"""Rows say who still needs a file."""

from __future__ import annotations

from functools import partial

from carapace.media import records
from carapace.media.types import MediaItem, MediaKind
from support.database import memory_database

NOW = 1_000_000


def item(number: int = 1, *, filename: str | None = "a.png") -> MediaItem:
    return MediaItem(
        id=f"m-{number:032x}",
        content_type="image/png",
        kind=MediaKind.IMAGE,
        size_bytes=10 * number,
        sha256="ab" * 32,
        filename=filename,
        created_at_ms=NOW + number,
    )


async def test_a_row_comes_back_as_it_went_in():
    async with memory_database() as database:
        for one in (item(1), item(2, filename=None)):
            await database.write(partial(records.insert, item=one))
            assert await database.read(partial(records.find, media_id=one.id)) == one
        assert await database.read(partial(records.find, media_id="m-x")) is None
        assert await database.read(records.totals) == records.Totals(2, 30)
        ids = [item(1).id, item(3).id]
        assert await database.read(partial(records.known_ids, ids=ids)) == {item(1).id}


async def test_an_empty_store_has_nothing():
    async with memory_database() as database:
        assert await database.read(records.totals) == records.Totals(0, 0)


async def test_letting_go_of_some_files_leaves_those_of_others():
    async with memory_database() as database:
        one, two = item(1), item(2)
        for each in (one, two):
            await database.write(partial(records.insert, item=each))
        for owner, each in (("inbox:1", one), ("inbox:1", two), ("turn:1", two)):
            await database.write(partial(records.add_reference, media_id=each.id, owner=owner))
        released = await database.write(partial(records.release, owner="inbox:1", now_ms=NOW + 50))
        assert released == 2
        due = partial(records.take_expired, made_before_ms=0, limit=9)
        assert await database.write(partial(due, idle_before_ms=NOW + 49)) == []
        rows = await database.write(partial(due, idle_before_ms=NOW + 50))
        assert [(row["media_id"], row["size_bytes"]) for row in rows] == [(one.id, 10)]


async def test_age_counts_even_for_files_that_are_needed_and_oldest_go_first():
    async with memory_database() as database:
        for number in (3, 1, 2):
            await database.write(partial(records.insert, item=item(number)))
            await database.write(
                partial(records.add_reference, media_id=item(number).id, owner="turn:1")
            )
        due = partial(records.take_expired, idle_before_ms=0, made_before_ms=NOW + 2, limit=1)
        first = await database.write(due)
        second = await database.write(due)
        assert [row["media_id"] for row in [*first, *second]] == [item(1).id, item(2).id]
        assert await database.write(due) == []
        left = await database.read(lambda tx: tx.all("SELECT * FROM media_references LIMIT 9"))
        assert len(left) == 1
