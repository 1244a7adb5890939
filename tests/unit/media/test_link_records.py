"""A link keeps its file under a name of its own, and ends with it."""

from __future__ import annotations

from functools import partial

from carapace.media import link_records, records
from carapace.media.types import MediaItem, MediaKind
from carapace.store.ports import Database
from support.database import memory_database

NOW = 1_000_000
ITEM = MediaItem(
    id="m-" + "0" * 32,
    content_type="image/png",
    kind=MediaKind.IMAGE,
    size_bytes=10,
    sha256="ab" * 32,
    filename=None,
    created_at_ms=NOW,
)


async def linked(database: Database, *digests: str) -> None:
    await database.write(partial(records.insert, item=ITEM))
    for number, one in enumerate(digests, start=1):
        assert await database.write(
            partial(
                link_records.insert,
                token_digest=one,
                media_id=ITEM.id,
                created_at_ms=NOW,
                expires_at_ms=NOW + number,
            )
        )


async def media_of(database: Database, token_digest: str, now_ms: int) -> str | None:
    return await database.read(
        partial(link_records.live_media_id, token_digest=token_digest, now_ms=now_ms)
    )


async def owners(database: Database) -> list[str]:
    rows = await database.read(lambda tx: tx.all("SELECT owner FROM media_references LIMIT 9"))
    return [row["owner"] for row in rows]


async def test_a_link_lives_until_its_time():
    async with memory_database() as database:
        await linked(database, "aa")
        assert await media_of(database, "aa", NOW) == ITEM.id
        assert await media_of(database, "aa", NOW + 1) is None
        assert await media_of(database, "bb", NOW) is None
        assert await owners(database) == [link_records.owner_of("aa")]


async def test_links_that_are_over_let_go():
    async with memory_database() as database:
        await linked(database, "aa", "bb")
        drop = partial(link_records.drop_expired, now_ms=NOW + 1)
        assert await database.write(drop) == 1
        assert await database.write(drop) == 0
        assert await owners(database) == [link_records.owner_of("bb")]


async def test_links_are_taken_back():
    async with memory_database() as database:
        await linked(database, "aa", "bb", "cc")
        remove = partial(link_records.remove, token_digest="aa", now_ms=NOW)
        assert await database.write(remove)
        assert not await database.write(remove)
        remove_all = partial(link_records.remove_all, media_id=ITEM.id, now_ms=NOW)
        assert await database.write(remove_all) == 2
        assert await owners(database) == []


async def test_there_is_no_link_to_nothing():
    async with memory_database() as database:
        insert = partial(
            link_records.insert,
            token_digest="aa",
            media_id=ITEM.id,
            created_at_ms=NOW,
            expires_at_ms=NOW + 1,
        )
        assert not await database.write(insert)
        assert await media_of(database, "aa", NOW) is None
