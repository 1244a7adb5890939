"""Files of accepted messages are fetched and handed on; what cannot be had is said in a note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from msgspec.structs import replace

from carapace.agent.understanding.ports import Asker
from carapace.agent.understanding.prepare import MAX_ITEMS, PreparedInput
from carapace.app.account_files import AccountFiles
from carapace.app.preparing import Preparing
from carapace.channels.types import InboundMedia, InboundMessage
from carapace.config.settings import Settings
from carapace.config.settings.channels import ChannelsSettings, WebhookSettings
from carapace.ids import AgentId
from carapace.media.fetch import MediaFetcher
from carapace.media.types import MediaItem
from carapace.provenance import Authority, Origin, Provenance
from support.chat_rooms import from_anna
from support.media import PNG, media_house
from support.public_web import public_host

AGENT = AgentId("main")
CAT = "https://media.example/cat.png"
PAIRED = Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED)


@dataclass
class Reader:
    """Stands for `Understanding`: notes what it is given."""

    items: list[MediaItem] = field(default_factory=list[MediaItem])
    texts: list[str] = field(default_factory=list[str])
    askers: list[Asker] = field(default_factory=list[Asker])

    async def prepare(self, message: str, items: Sequence[MediaItem], asker: Asker) -> Any:
        self.texts.append(message)
        self.items.extend(items)
        self.askers.append(asker)
        return PreparedInput(notes=("read",), provenance=asker.provenance)


@dataclass
class Came:
    """What came of a message."""

    reader: Reader
    found: PreparedInput
    dialled: int
    kept: MediaItem


async def picture(_request: web.Request) -> web.Response:
    return web.Response(body=PNG, content_type="image/png")


async def prepared(
    folder: Path,
    *files: InboundMedia,
    provenance: Provenance = PAIRED,
    max_bytes: int = 5_000_000,
) -> Came:
    """Prepare two messages with `files`; a media id of `kept` means the file that is there."""
    reader = Reader()
    async with (
        media_house(folder) as media,
        public_host(folder, "media.example", web.get("/cat.png", picture)) as internet,
    ):
        kept = await media.store.put_bytes(PNG)
        fetcher = MediaFetcher(
            internet.egress,
            media.store,
            clock=media.clock,
            audit=media.trail.audit,
            metrics=media.metrics,
        )
        settings = Settings(
            channels=ChannelsSettings(webhook=WebhookSettings(media_max_mb=max_bytes / 1_000_000))
        )
        prepare = Preparing(
            AccountFiles(fetcher, lambda: settings),
            media.store,
            cast("Any", reader),
            takes_images=lambda agent: agent == AGENT,
        )
        named = tuple(
            replace(one, media_id=kept.id) if one.media_id == "kept" else one for one in files
        )
        messages: tuple[InboundMessage, ...] = (
            replace(from_anna("one"), media=named),
            from_anna("two", "m2"),
        )
        found = await prepare(messages, provenance, AGENT)
        return Came(reader, found, len(internet.dialled), kept)


async def test_texts_are_joined_and_files_fetched_for_whom_the_message_is(tmp_path: Path):
    came = await prepared(tmp_path, InboundMedia(url=CAT, filename="../cat.png"))
    assert came.reader.texts == ["one\ntwo"]
    assert [one.content_type for one in came.reader.items] == ["image/png"]
    assert came.found.notes == ("read",)
    asker = came.reader.askers[0]
    assert (asker.agent_id, asker.provenance, asker.takes_images) == (AGENT, PAIRED, True)


async def test_a_file_that_is_there_already_is_not_fetched(tmp_path: Path):
    came = await prepared(tmp_path, InboundMedia(media_id="kept"))
    assert [one.id for one in came.reader.items] == [came.kept.id]
    assert came.dialled == 0


@pytest.mark.parametrize("file", [InboundMedia(url=CAT), InboundMedia(media_id="kept")])
async def test_a_file_over_the_cap_of_its_account_is_not_taken(tmp_path: Path, file: InboundMedia):
    came = await prepared(tmp_path, file, max_bytes=len(PNG) - 1)
    assert came.reader.items == []
    [note, _] = came.found.notes
    assert f"longer than {len(PNG) - 1} bytes" in note
    exact = await prepared(tmp_path / "exact", file, max_bytes=len(PNG))
    assert len(exact.reader.items) == 1


async def test_words_without_authority_fetch_nothing(tmp_path: Path):
    """Row E06."""
    nobody = Provenance(origin=Origin.CHANNEL, authority=Authority.NONE)
    came = await prepared(tmp_path, InboundMedia(url=CAT), provenance=nobody)
    assert (came.dialled, came.reader.items) == (0, [])


async def test_what_cannot_be_had_is_said_and_the_rest_goes_on(tmp_path: Path):
    came = await prepared(
        tmp_path,
        InboundMedia(url="http://127.0.0.1/secret"),
        InboundMedia(url="file:///etc/passwd"),
        InboundMedia(media_id="m-" + "0" * 32),
        InboundMedia(),
        InboundMedia(url=CAT),
    )
    assert [one.content_type for one in came.reader.items] == ["image/png"]
    assert sum("could not be fetched" in note for note in came.found.notes) == 2
    assert sum("not there any more" in note for note in came.found.notes) == 2
    assert "root:" not in str(came.found)


async def test_only_so_many_files_are_looked_at(tmp_path: Path):
    files = [InboundMedia(media_id="kept")] * (MAX_ITEMS + 2)
    came = await prepared(tmp_path, *files)
    assert len(came.reader.items) == MAX_ITEMS
    assert any(f"first {MAX_ITEMS} of {MAX_ITEMS + 2}" in note for note in came.found.notes)
