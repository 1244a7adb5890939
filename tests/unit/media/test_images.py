"""Pictures are measured here, opened elsewhere, and refused before they cost anything."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from carapace.errors import Failed, Refused
from carapace.media.image_size import ImageSize
from carapace.media.images import Images
from support.media import PNG, MediaHouse, media_house, png
from support.polling import until

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + (
    b"\x00\x00\x00\x14ispe" + bytes(4) + b"\x00\x00\x00\x09\x00\x00\x00\x08"
)


def script(code: str) -> tuple[str, ...]:
    """A stand-in for the child; says what the real one might."""
    return (sys.executable, "-I", "-c", code)


SAY = "import os, sys; sys.stdout.buffer.write({!r}); sys.stdout.flush(); os._exit(0)"


def images_of(house: MediaHouse, **more: Any) -> Images:
    return Images(house.store, audit=house.trail.audit, **more)


async def test_the_size_is_read_without_a_child(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        images = images_of(house, command=("/nonexistent",))
        assert await images.size(item.id) == ImageSize(3, 2)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"hello", "text/plain, which is no picture"),
        (b"<svg xmlns='x'/>", r"image/svg\+xml, which is no picture"),
        (PNG[:20], "header of the picture makes no sense"),
        (png(promised=(50_000, 50_000)), "50000 x 50000 pixels"),
    ],
)
async def test_no_child_is_started_for_what_is_refused(tmp_path: Path, data: bytes, match: str):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(data)
        images = images_of(house, command=("/nonexistent",))
        for look in (images.size, images.render, images.thumbnail):
            with pytest.raises(Refused, match=match):
                await look(item.id)


async def test_forms_without_a_decoder_are_named(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(HEIC)
        images = images_of(house)
        assert await images.size(item.id) == ImageSize(9, 8)
        with pytest.raises(Refused, match=r"image/heic cannot be opened here: send it as JPEG"):
            await images.render(item.id)


@pytest.mark.slow
async def test_a_picture_comes_back_small_and_is_stored_smaller(tmp_path: Path):
    pytest.importorskip("PIL.Image")
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(png(400, 100))
        images = images_of(house)
        picture = await images.render(item.id, max_edge_px=200)
        assert (picture.content_type, picture.width_px, picture.height_px) == (
            "image/jpeg",
            200,
            50,
        )
        small = await images.thumbnail(item.id, max_edge_px=40)
        assert await images.size(small.id) == ImageSize(40, 10)


@pytest.mark.slow
async def test_a_damaged_picture_is_refused(tmp_path: Path):
    pytest.importorskip("PIL.Image")
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG[:45] + bytes(30))
        with pytest.raises(Refused, match="damaged"):
            await images_of(house).render(item.id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "kind", "match"),
    [
        (b'{"type":"fault","kind":"missing","message":"no PIL"}\n', Failed, r"gateway\[media\]"),
        (b'{"type":"fault","kind":"refused","message":"why"}\n', Refused, r"too much \(why;"),
        (b'{"type":"fault","kind":"broken","message":"x"}\n', Refused, "damaged"),
        (b"nonsense\n", Refused, "ended with code 0"),
        (b"", Refused, "ended with code 0"),
        (
            b'{"type":"rendered","content_type":"","width_px":1,"height_px":1,"size_bytes":9}\nx',
            Refused,
            "ended with code 0",
        ),
    ],
)
async def test_what_the_child_says_becomes_words(
    tmp_path: Path, said: bytes, kind: type, match: str
):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        with pytest.raises(kind, match=match):
            await images_of(house, command=script(SAY.format(said))).render(item.id)


@pytest.mark.slow
async def test_a_child_that_dies_or_floods_costs_one_picture(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        died = images_of(house, command=script("import os; os.kill(os.getpid(), 9)"))
        with pytest.raises(Refused, match="SIGKILL"):
            await died.render(item.id)
        flood = script("import sys\nwhile True: sys.stdout.buffer.write(bytes(65536))")
        with pytest.raises(Refused, match=r"took more than 0\.5 s"):
            await images_of(house, command=flood, timeout_s=0.5).render(item.id, max_bytes=1000)


@pytest.mark.slow
async def test_a_child_that_does_not_end_is_killed_at_its_deadline(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        mark = tmp_path / "pid"
        code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(99)"
        with pytest.raises(Refused, match=r"took more than 0\.5 s"):
            await images_of(house, command=script(code), timeout_s=0.5).render(item.id)
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.read_text()), 0)
        assert house.trail.lines()[-1]["source"] == "picture"


@pytest.mark.slow
async def test_a_caller_that_leaves_leaves_no_child(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        mark = tmp_path / "pid"
        code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(99)"
        images = images_of(house, command=script(code), max_at_once=1)
        task = asyncio.create_task(images.render(item.id))
        await until(lambda: mark.exists() and mark.read_text() != "")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.read_text()), 0)


@pytest.mark.slow
async def test_a_line_of_pictures_has_an_end(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        sleeper = script("import time; time.sleep(99)")
        images = images_of(house, command=sleeper, max_at_once=1)
        tasks = [asyncio.create_task(images.render(item.id)) for _ in range(40)]
        done, waiting = await asyncio.wait(tasks, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert {str(task.exception()) for task in done} == {
            "32 pictures wait to be opened already: try again in a minute"
        }
        for task in waiting:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.slow
async def test_the_child_sees_no_secret_of_ours(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CARAPACE_TOKEN", "canary")
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        mark = tmp_path / "seen"
        code = (
            f"import os; open({str(mark)!r}, 'w')"
            ".write(repr(dict(os.environ)) + os.getcwd() + repr(os.listdir('/proc/self/fd')))"
        )
        with pytest.raises(Refused):
            await images_of(house, command=script(code)).render(item.id)
        assert "canary" not in mark.read_text()


def test_pillow_never_enters_this_process():
    imported = {name for name in sys.modules if name.startswith("carapace.media")}
    assert "carapace.media.images" in imported
    source = Path(sys.modules["carapace.media.images"].__file__ or "").read_text()
    assert "PIL" not in source
