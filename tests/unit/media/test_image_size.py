"""The size is read from the header of each form, and nothing else is."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.media.image_size import ImageSize, image_size
from support.media import png

image_module = pytest.importorskip("PIL.Image")

FORMATS = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}


def written(name: str, width: int = 70, height: int = 50, **more: object) -> bytes:
    out = io.BytesIO()
    image_module.new("RGB", (width, height), (10, 200, 30)).save(out, name, **more)
    return out.getvalue()


@pytest.mark.parametrize(("content_type", "name"), FORMATS.items())
def test_headers_that_a_library_wrote_are_read(content_type: str, name: str):
    assert image_size(written(name), content_type) == ImageSize(70, 50)


def test_forms_that_few_write():
    assert image_size(written("WEBP", lossless=True), "image/webp") == ImageSize(70, 50)
    with_exif = written("WEBP", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00")
    assert with_exif[12:16] == b"VP8X"
    assert image_size(with_exif, "image/webp") == ImageSize(70, 50)
    core = b"BM" + bytes(12) + struct.pack("<IHH", 12, 9, 8)
    assert image_size(core, "image/bmp") == ImageSize(9, 8)
    upside = b"BM" + bytes(12) + struct.pack("<Iii", 40, 9, -8)
    assert image_size(upside, "image/bmp") == ImageSize(9, 8)
    progressive = written("JPEG", progressive=True, comment=b"x" * 3000)
    assert image_size(progressive, "image/jpeg") == ImageSize(70, 50)
    assert image_size(b"\xff\xd8\xff\xff\xd0" + progressive[2:], "image/jpeg") == ImageSize(70, 50)


def test_the_largest_of_many_sizes_counts():
    heic = b"".join(
        struct.pack(">I4sIII", 20, b"ispe", 0, *size) for size in ((160, 120), (4032, 3024))
    )
    assert image_size(heic, "image/heic") == ImageSize(4032, 3024)
    assert image_size(b"ispe" + heic, "image/heif") == ImageSize(4032, 3024)


def test_a_promise_is_believed_before_anything_is_decoded():
    size = image_size(png(promised=(50_000, 50_000)), "image/png")
    assert size is not None
    assert size.pixels == 2_500_000_000


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"", "image/png"),
        (png()[:20], "image/png"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "image/png"),
        (png(promised=(0, 5)), "image/png"),
        (b"GIF89a", "image/gif"),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, -9, 8), "image/bmp"),
        (b"\xff\xd8\xff\xda\x00\x08", "image/jpeg"),
        (b"\xff\xd8\x00\x00", "image/jpeg"),
        (b"\xff\xd8\xff\xe1\xff\xff" + bytes(10), "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8X" + bytes(5), "image/webp"),
        (b"RIFF\x00\x00\x00\x00WEBPXXXX" + bytes(50), "image/webp"),
        (b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHII", 256, 3, 1, 9), "image/tiff"),
        (b"II*\x00\xff\xff\xff\xff", "image/tiff"),
        (bytes(100), "image/avif"),
        (png(), "image/svg+xml"),
    ],
)
def test_a_header_without_sense_has_no_size(data: bytes, content_type: str):
    assert image_size(data, content_type) is None


@given(st.binary(max_size=200), st.sampled_from([*FORMATS, "image/heic"]))
def test_no_bytes_break_it(data: bytes, content_type: str):
    size = image_size(data, content_type)
    assert size is None or size.pixels > 0
