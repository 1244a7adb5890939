"""A link works for as many requests as come, until it is over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carapace.config.settings.media import LinkSettings
from carapace.errors import Refused
from carapace.media.links import MediaLinks
from support.media import PNG, MediaHouse, media_house

BASE = "https://assistant.example"


def links_of(house: MediaHouse, url: str | None = BASE, ttl_minutes: int = 60) -> MediaLinks:
    settings = LinkSettings(public_url=url, ttl_minutes=ttl_minutes)
    return MediaLinks(house.database, settings=settings, clock=house.clock)


async def test_a_link_leads_to_its_file_again_and_again_until_it_expires(tmp_path: Path):
    async with media_house(tmp_path) as house:
        links, item = links_of(house), await house.store.put_bytes(PNG)
        link = await links.create(item.id)
        assert re.fullmatch(rf"{BASE}/media/[\w-]{{32}}", link.url)
        assert link.expires_at_ms == house.clock.now_ms() + 3_600_000
        for _ in range(3):
            assert await links.find(link.token) == item
        await house.clock.advance(3599)
        assert await links.find(link.token) == item
        await house.clock.advance(1)
        assert await links.find(link.token) is None


async def test_a_link_keeps_its_file_and_lets_it_go_when_it_is_over(tmp_path: Path):
    async with media_house(tmp_path) as house:
        links, item = links_of(house, ttl_minutes=600), await house.store.put_bytes(PNG)
        link = await links.create(item.id)
        await house.clock.advance(9 * 3600)
        assert (await house.store.sweep()).items == 0
        assert await links.find(link.token) == item
        await house.clock.advance(3600)
        assert (await house.store.sweep()).items == 0  # its last hour begins
        await house.clock.advance(3600)
        assert (await house.store.sweep()).items == 1
        count = await house.database.read(lambda tx: tx.one("SELECT count(*) FROM media_links"))
        assert count is not None
        assert count[0] == 0


async def test_links_are_taken_back_one_by_one_or_all_at_once(tmp_path: Path):
    async with media_house(tmp_path) as house:
        links, item = links_of(house), await house.store.put_bytes(PNG)
        one, two, three = [await links.create(item.id, ttl_s=60) for _ in range(3)]
        assert await links.revoke(one.token)
        assert not await links.revoke(one.token)
        assert await links.find(one.token) is None
        assert await links.find(two.token) == item
        assert await links.revoke_all(item.id) == 2
        assert await links.find(three.token) is None


async def test_the_database_knows_no_token(tmp_path: Path):
    async with media_house(tmp_path) as house:
        links, item = links_of(house), await house.store.put_bytes(PNG)
        link = await links.create(item.id)
        rows = await house.database.read(
            lambda tx: [tuple(row) for row in tx.all("SELECT * FROM media_links LIMIT 9")]
        )
        assert len(rows) == 1
        assert link.token not in repr(rows)


async def test_what_is_no_token_is_not_looked_up(tmp_path: Path):
    async with media_house(tmp_path) as house:
        links = links_of(house)
        for token in ("", "x", "a" * 31, "a" * 33, "../" * 11, "a" * 31 + "\n", "\uff41" * 32):
            assert await links.find(token) is None
        assert await links.find("a" * 32) is None


@pytest.mark.parametrize(
    ("url", "match"),
    [
        (None, "set media.links.publicUrl"),
        ("ftp://x.example", "not http or https"),
        ("https://user@x.example", "user name"),
        ("assistant.example", "does not start with"),
        ("https://x.example/?a=b", "query"),
        ("https://x.example/#a", "fragment"),
    ],
)
async def test_no_link_without_a_usable_address(tmp_path: Path, url: str | None, match: str):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        with pytest.raises(Refused, match=match):
            await links_of(house, url).create(item.id)


async def test_the_address_may_change_and_may_have_a_path(tmp_path: Path):
    async with media_house(tmp_path) as house:
        links, item = links_of(house, None), await house.store.put_bytes(PNG)
        links.apply(LinkSettings(public_url=f"{BASE}/bot/"))
        assert (await links.create(item.id)).url.startswith(f"{BASE}/bot/media/")


async def test_no_link_to_nothing(tmp_path: Path):
    async with media_house(tmp_path) as house:
        with pytest.raises(Refused, match="no such file"):
            await links_of(house).create("m-" + "0" * 32)
