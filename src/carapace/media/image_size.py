"""Width and height of a picture from its header, without decoding anything. Pure.

This is the first of two gates: a header that promises 50,000 times 50,000 pixels is refused
before any decoder sees it (advisory F10). The child that decodes looks again, with the
decoder's own eyes.

Sources: PNG (W3C) section 11.2.2; ITU-T T.81 annex B (JPEG); GIF89a section 18; RFC 9649
(WebP); BITMAPINFOHEADER; TIFF 6.0 section 2; ISO/IEC 23008-12 section 6.5.3 (`ispe`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from carapace.value import Value

__all__ = ["HEADER_BYTES", "ImageSize", "image_size"]

HEADER_BYTES: Final = 1024 * 1024
"""Cameras put previews and colour profiles before the size; this much of a file is read."""


class ImageSize(Value, frozen=True):
    """In pixels, as stored: a camera's turn is not applied."""

    width_px: int
    height_px: int

    @property
    def pixels(self) -> int:
        """How many there are to decode."""
        return self.width_px * self.height_px


def image_size(head: bytes, content_type: str) -> ImageSize | None:
    """What the header says, or None if it says nothing that makes sense.

    Args:
        head: The first `HEADER_BYTES` of the file.
        content_type: As `carapace.media.sniff` found it.
    """
    reader = _READERS.get(content_type)
    if reader is None:
        return None
    try:
        size = reader(head)
    except (struct.error, IndexError):
        return None
    if size is None or size.width_px <= 0 or size.height_px <= 0:
        return None
    return size


def _png(head: bytes) -> ImageSize | None:
    if head[12:16] != b"IHDR":
        return None
    return ImageSize(*struct.unpack_from(">II", head, 16))


def _gif(head: bytes) -> ImageSize | None:
    return ImageSize(*struct.unpack_from("<HH", head, 6))


def _bmp(head: bytes) -> ImageSize | None:
    header_bytes = struct.unpack_from("<I", head, 14)[0]
    if header_bytes == 12:  # noqa: PLR2004 - BITMAPCOREHEADER
        return ImageSize(*struct.unpack_from("<HH", head, 18))
    width, height = struct.unpack_from("<ii", head, 18)
    return ImageSize(width, abs(height))  # negative: rows from the top


_JPEG_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN: Final = 0xDA


def _jpeg(head: bytes) -> ImageSize | None:
    at = 2
    while head[at] == 0xFF:  # noqa: PLR2004 - every segment begins so
        marker = head[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill bytes
            at += 1
        elif marker in _JPEG_STANDALONE:
            at += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return ImageSize(width, height)
        elif marker == _JPEG_SCAN:
            return None
        else:
            at += 2 + struct.unpack_from(">H", head, at + 2)[0]
    return None


def _webp(head: bytes) -> ImageSize | None:
    form = head[12:16]
    if form == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
        return ImageSize(width, height) if len(head) >= 30 else None  # noqa: PLR2004 - the chunk
    if form == b"VP8L":
        bits = struct.unpack_from("<I", head, 21)[0]
        return ImageSize((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return ImageSize(width & 0x3FFF, height & 0x3FFF)
    return None


_TIFF_WIDTH: Final = 256
_TIFF_HEIGHT: Final = 257
_TIFF_SHORT: Final = 3
_MAX_TIFF_ENTRIES: Final = 512


def _tiff(head: bytes) -> ImageSize | None:
    order = "<" if head[:2] == b"II" else ">"
    at = struct.unpack_from(f"{order}I", head, 4)[0]
    count = struct.unpack_from(f"{order}H", head, at)[0]
    found: dict[int, int] = {}
    for entry in range(min(count, _MAX_TIFF_ENTRIES)):
        here = at + 2 + 12 * entry
        tag, kind = struct.unpack_from(f"{order}HH", head, here)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            form = "H" if kind == _TIFF_SHORT else "I"
            found[tag] = struct.unpack_from(f"{order}{form}", head, here + 8)[0]
    if len(found) < 2:  # noqa: PLR2004 - one of each
        return None
    return ImageSize(found[_TIFF_WIDTH], found[_TIFF_HEIGHT])


_ISPE_BYTES: Final = 20


def _iso(head: bytes) -> ImageSize | None:
    """The largest `ispe` property: tiles and thumbnails have one each as well."""
    return max(_ispes(head), key=lambda size: size.pixels, default=None)


def _ispes(head: bytes) -> Iterator[ImageSize]:
    at = head.find(b"ispe")
    while at >= 0:
        if int.from_bytes(head[at - 4 : at], "big") == _ISPE_BYTES:
            yield ImageSize(*struct.unpack_from(">II", head, at + 8))
        at = head.find(b"ispe", at + 4)


_READERS: Final[dict[str, Callable[[bytes], ImageSize | None]]] = {
    "image/avif": _iso,
    "image/bmp": _bmp,
    "image/gif": _gif,
    "image/heic": _iso,
    "image/heif": _iso,
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/tiff": _tiff,
    "image/webp": _webp,
}
