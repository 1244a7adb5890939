"""Files of a request come from where they may, are what they should be, and stay small."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.understanding.wire import Job, Reading
from carapace.config.settings.http import FileLimits, ImageLimits
from carapace.errors import Refused
from carapace.server.openai_files import FileSource, RequestFiles

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63"
    "64f8cf500f0003060180019a347dd70000000049454e44ae426082"
)
PNG_TEXT = base64.b64encode(PNG).decode()
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


class World:
    """Fetches, keeps and reads what a test put there."""

    def __init__(self) -> None:
        self.fetched: list[tuple[str, int | None]] = []
        self.data = PNG
        self.jobs: list[Job] = []
        self.trouble: NotUnderstood | None = None

    async def fetch(self, url: str, *, max_bytes: int | None = None) -> Any:
        self.fetched.append((url, max_bytes))
        return SimpleNamespace(id="m1")

    async def read(self, *given: Any, **more: Any) -> Any:
        if given == ("m1",):
            return self.data
        self.jobs.append(given[1])
        if self.trouble is not None:
            raise self.trouble
        return Reading("pages")


@pytest.fixture
def world() -> World:
    return World()


def files(world: World, images: ImageLimits | None = None, documents: FileLimits | None = None):
    return RequestFiles(
        world,
        world,
        world,
        images=images or ImageLimits(max_bytes=1_000),
        files=documents or FileLimits(max_bytes=1_000, max_chars=10),
    )


@pytest.mark.parametrize(
    "source",
    [
        FileSource(data=PNG_TEXT),
        FileSource(data=f"data:image/gif;base64,{PNG_TEXT}"),
        FileSource(url=f"data:text/html;base64,{PNG_TEXT}"),
        FileSource(url="https://public/x"),
    ],
)
async def test_a_picture_is_one_by_its_bytes(world, source):
    part = await files(world).image(source)
    assert (part.mime_type, part.data) == ("image/png", PNG_TEXT)


async def test_an_address_is_fetched_within_the_limit(world):
    await files(world).image(FileSource(url="https://public/x"))
    assert world.fetched == [("https://public/x", 1_000)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<svg/>", "only PNG, JPEG, GIF and WebP"),
        (b"x" * 1_001, "1000 are allowed"),
    ],
)
async def test_what_is_no_picture_or_too_long_is_refused(world, data, why):
    with pytest.raises(Refused, match=why):
        await files(world).image(FileSource(data=base64.b64encode(data).decode()))


async def test_addresses_can_be_switched_off(world):
    off = files(world, ImageLimits(allow_url=False), FileLimits(allow_url=False))
    for bring in (off.image, off.text):
        with pytest.raises(Refused, match="switched off"):
            await bring(FileSource(url="https://public/x"))
    assert world.fetched == []


async def test_a_text_is_shown_under_its_name_and_cut(world):
    data = base64.b64encode(b"hello").decode()
    assert await files(world).text(FileSource(data=data, filename='a".txt')) == (
        '<file name="a\'.txt">\nhello\n</file>'
    )
    data = base64.b64encode(b"h" * 20).decode()
    shown = await files(world).text(FileSource(data=data))
    assert f'"file">\n{"h" * 10}\n[the rest was left out: too long]' in shown


async def test_a_pdf_is_read_elsewhere(world):
    data = base64.b64encode(PDF).decode()
    assert "pages" in await files(world).text(FileSource(data=data, filename="a.pdf"))
    assert (world.jobs[0].kind, world.jobs[0].max_pages) == ("pdf", 20)
    world.trouble = NotUnderstood("is protected by a password")
    with pytest.raises(Refused, match="is protected by a password"):
        await files(world).text(FileSource(data=data))


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a\0b"])
async def test_other_files_are_refused(world, data):
    with pytest.raises(Refused, match="only PDF and texts"):
        await files(world).text(FileSource(data=base64.b64encode(data).decode()))


async def test_a_request_brings_a_few_files_at_most(world):
    brings = files(world)
    for _ in range(16):
        await brings.image(FileSource(data=PNG_TEXT))
    with pytest.raises(Refused, match="at most 16"):
        await brings.image(FileSource(data=PNG_TEXT))
