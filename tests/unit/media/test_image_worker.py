"""What the child does with a picture: upright, small, plain, or a clear no."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from carapace.media.image_wire import Fault, Job, Rendered, decode_answer, encode
from carapace.media.image_worker import answer, load, main, render
from carapace.media.images import COMMAND
from support.media import PNG, png

image_module = pytest.importorskip("PIL.Image")
CAMERA = b"SecretCam"


def written(name: str, mode: str = "RGB", size: tuple[int, int] = (90, 30), **more: Any) -> bytes:
    out = io.BytesIO()
    image_module.new(mode, size).save(out, name, **more)
    return out.getvalue()


def turned(orientation: int) -> Any:
    exif = image_module.Exif()
    exif[274] = orientation
    exif[271] = CAMERA.decode()
    return exif


def job_for(data: bytes, name: str = "PNG", max_edge_px: int = 60, max_bytes: int = 10**6) -> Job:
    return Job(name, len(data), max_edge_px, max_bytes)


def rendered(data: bytes, name: str, **more: int) -> tuple[Rendered, Any]:
    job = job_for(data, name, **more)
    message, made = render(load(job), data, job)
    assert message.size_bytes == len(made)
    return message, image_module.open(io.BytesIO(made))


@pytest.mark.parametrize("name", ["AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_every_form_becomes_a_small_jpeg(name: str):
    message, made = rendered(written(name), name)
    assert (message.content_type, message.width_px, message.height_px) == ("image/jpeg", 60, 20)
    assert (made.format, made.size) == ("JPEG", (60, 20))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_camera_is_turned_back_and_forgotten(name: str):
    data = written(name, exif=turned(6))
    assert CAMERA in data
    message, made = rendered(data, name)
    assert (message.width_px, message.height_px) == (20, 60)
    assert not made.getexif()
    assert not set(made.info) & {"exif", "comment", "icc_profile", "xmp"}


def test_comments_and_text_do_not_survive():
    data = written("JPEG", comment=CAMERA)
    assert CAMERA in data
    job = job_for(data, "JPEG")
    assert CAMERA not in render(load(job), data, job)[1]


def test_a_small_picture_keeps_its_size():
    message, _ = rendered(PNG, "PNG")
    assert (message.width_px, message.height_px) == (3, 2)


@pytest.mark.parametrize(
    ("mode", "form"), [("RGBA", "PNG"), ("LA", "PNG"), ("P", "JPEG"), ("1", "JPEG"), ("L", "JPEG")]
)
def test_only_what_shines_through_stays_png(mode: str, form: str):
    assert rendered(written("PNG", mode), "PNG")[1].format == form


def test_sixteen_bits_of_grey_keep_their_shades():
    out = io.BytesIO()
    image_module.new("I;16", (8, 8), 0x8000).save(out, "PNG")
    _, made = rendered(out.getvalue(), "PNG")
    assert abs(made.getpixel((4, 4))[0] - 0x80) <= 2


def test_it_shrinks_until_it_fits_or_gives_up():
    noise = io.BytesIO()
    image_module.frombytes("RGB", (200, 200), os.urandom(120_000)).save(noise, "PNG")
    data = noise.getvalue()
    message, _ = rendered(data, "PNG", max_edge_px=200, max_bytes=3000)
    assert message.size_bytes <= 3000
    assert message.width_px < 200
    job = job_for(data, max_bytes=10)
    assert answer(load(job), data, job) == (
        Fault("refused", "it does not become small enough"),
        b"",
    )


def test_only_the_named_decoder_looks():
    data = written("GIF")
    job = job_for(data, "PNG")
    message, made = answer(load(job), data, job)
    assert isinstance(message, Fault)
    assert (message.kind, made) == ("broken", b"")


def test_too_many_pixels_are_refused_by_the_decoders_own_eyes():
    data = png(promised=(10_000, 10_000))
    job = job_for(data)
    assert answer(load(job), data, job)[0] == Fault("refused", "it has 10000 x 10000 pixels")


def test_too_little_memory_is_no_crash():
    class Hungry:
        def open(self, *_args: object, **_named: object) -> object:
            raise MemoryError

    assert answer(Hungry(), b"", job_for(b""))[0] == Fault("refused", "it needs too much memory")


def test_a_library_that_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError):
        load(job_for(b""))
    monkeypatch.setattr("carapace.media.image_worker.confine", lambda *_args, **_named: None)
    out = io.BytesIO()
    main([str(os.getppid()), encode(job_for(b"")).decode()], io.BytesIO(), out)
    message = decode_answer(out.getvalue())
    assert isinstance(message, Fault)
    assert message.kind == "missing"


def test_the_answer_is_a_line_and_the_picture(monkeypatch):
    monkeypatch.setattr("carapace.media.image_worker.confine", lambda *_args, **_named: None)
    monkeypatch.setattr("carapace.media.image_worker.seal", lambda: True)
    out = io.BytesIO()
    main(["1", encode(job_for(PNG)).decode()], io.BytesIO(PNG), out)
    line, _, made = out.getvalue().partition(b"\n")
    message = decode_answer(line)
    assert isinstance(message, Rendered)
    assert message.size_bytes == len(made)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_the_sealed_process_opens_every_form(name: str, tmp_path):
    more: dict[str, Any] = {"exif": turned(3)} if name in ("JPEG", "WEBP") else {}
    (tmp_path / "in").write_bytes(written(name, **more))
    job = job_for((tmp_path / "in").read_bytes(), name)
    with (tmp_path / "in").open("rb") as source:
        done = subprocess.run(
            [*COMMAND, str(os.getpid()), encode(job).decode()],
            stdin=source,
            capture_output=True,
            check=True,
        )
    assert json.loads(done.stdout.partition(b"\n")[0])["type"] == "rendered"
    assert done.stderr == b""
