"""Plugins use the real media store: content decides, handles are all there is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from carapace.errors import Refused
from support.capabilities import plugin_media
from support.egress import NameTable, make_egress
from support.media import PNG


async def pieces(*data: bytes) -> AsyncGenerator[bytes]:
    for piece in data:
        yield piece


async def test_a_picture_is_stored_and_measured(tmp_path: Path):
    egress, _ = make_egress(tmp_path / "net", names=NameTable())
    async with plugin_media(tmp_path, egress) as (door, _):
        stored = await door.put(pieces(PNG[:9], PNG[9:]), max_bytes=None, source="plugin:demo")
        assert (stored.content_type, stored.size_bytes) == ("image/png", len(PNG))
        assert (stored.width_px, stored.height_px) == (3, 2)
        assert await door.find(stored.handle) == stored
        async with door.open(stored.handle) as (file, content):
            assert file.size_bytes == len(PNG)
            assert b"".join([piece async for piece in content]) == PNG
        assert (await door.link(stored.handle, ttl_s=60)).startswith("https://assistant.example/")


async def test_a_text_has_no_size_in_pixels(tmp_path: Path):
    egress, _ = make_egress(tmp_path / "net", names=NameTable())
    async with plugin_media(tmp_path, egress) as (door, _):
        stored = await door.put(pieces(b"hello"), max_bytes=99, source="plugin:demo")
        assert stored.width_px is None


async def test_what_is_not_there_is_refused(tmp_path: Path):
    egress, _ = make_egress(tmp_path / "net", names=NameTable())
    async with plugin_media(tmp_path, egress) as (door, _):
        assert await door.find("m-" + "0" * 32) is None
        with pytest.raises(Refused):
            async with door.open("m-1"):
                pass
        with pytest.raises(Refused):
            await door.put(pieces(b"hello"), max_bytes=4, source="plugin:demo")
