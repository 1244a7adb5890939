"""Files are wired as a whole: they follow the settings, and links are given only if they are on."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from carapace.channels.types import InboundMedia
from carapace.config.settings import Settings
from carapace.config.settings.media import LinkSettings, MediaSettings
from carapace.ids import AgentId
from carapace.media.store import TooLarge
from carapace.provenance import OWNER
from support.chat_rooms import from_anna
from support.house import built
from support.media import PNG

pytestmark = pytest.mark.slow


async def test_links_are_given_only_if_there_is_an_address_for_them(tmp_path: Path):
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        item = await files.store.put_bytes(PNG)
        assert await files.link_to(item.id) is None
        links = LinkSettings(public_url="https://gateway.example")
        files.apply(Settings(media=MediaSettings(links=links)))
        address = await files.link_to(item.id)
        assert address is not None
        assert address.startswith("https://gateway.example/media/")
        assert await files.link_to("m-" + "0" * 32) is None


async def test_the_store_follows_the_settings(tmp_path: Path):
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        await files.store.put_bytes(b"x" * 2_000_000)
        files.apply(Settings(media=MediaSettings(max_item_mb=1)))
        with pytest.raises(TooLarge):
            await files.store.put_bytes(b"x" * 2_000_000)


async def test_a_text_file_reaches_the_turn(tmp_path: Path):
    async with AsyncExitStack() as stack:
        files = (await built(tmp_path, stack)).files
        item = await files.store.put_bytes(b"The meeting is at noon.", filename="note.txt")
        message = replace(from_anna("read this"), media=(InboundMedia(media_id=item.id),))
        found = await files.prepare((message,), OWNER, AgentId("main"))
    assert "The meeting is at noon." in found.text("read this")
