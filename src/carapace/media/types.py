"""What the store says about a file."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from carapace.value import Value

__all__ = ["ANY_KIND", "INLINE_TYPES", "OCTETS", "MediaItem", "MediaKind", "Picture", "Sniffed"]

OCTETS: Final = "application/octet-stream"
"""The type of everything that is not surely something else."""

INLINE_TYPES: Final = frozenset(
    {
        "audio/aac",
        "audio/amr",
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/webm",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "video/mp4",
        "video/ogg",
        "video/quicktime",
        "video/webm",
    }
)
"""What a browser may show by itself: it holds no script in any of them (advisory F16)."""


class MediaKind(StrEnum):
    """What a file can be used for."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    TEXT = "text"
    ARCHIVE = "archive"
    ACTIVE = "active"  # a browser or a shell would run it: HTML, SVG, scripts, programs
    UNKNOWN = "unknown"


ANY_KIND: Final = frozenset(MediaKind)


class Sniffed(Value, frozen=True):
    """What content turned out to be.

    Attributes:
        content_type: Media type without parameters.
        kind: Its use.
    """

    content_type: str
    kind: MediaKind


class MediaItem(Value, frozen=True, kw_only=True):
    """A file in the store; it never changes.

    Attributes:
        id: `m-` and 32 hexadecimal digits, random: the only name a file has here.
        content_type: By its content.
        kind: Likewise.
        size_bytes: Its length, at least 1.
        sha256: Of its content, hexadecimal.
        filename: What the sender called it, for people; never part of a path.
        created_at_ms: When it was stored.
    """

    id: str
    content_type: str
    kind: MediaKind
    size_bytes: int
    sha256: str
    filename: str | None
    created_at_ms: int


class Picture(Value, frozen=True, kw_only=True):
    """A picture that was decoded and written anew, without anybody's metadata.

    Attributes:
        data: `image/jpeg` or `image/png`.
        content_type: Which of the two.
        width_px: Of `data`, upright.
        height_px: Likewise.
    """

    data: bytes
    content_type: str
    width_px: int
    height_px: int
