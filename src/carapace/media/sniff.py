"""What a file is, by its content alone. Pure.

A sender's header or file name never counts. Content that could be taken for two things (a
picture that is also a page, a PDF that is also a zip) is `application/octet-stream`: nobody
opens that by itself.

Sources: WHATWG MIME Sniffing Standard, sections 6 and 7; ISO/IEC 14496-12 (`ftyp`); RFC 9559
(Matroska); RFC 3533 and 7845 (Ogg, Opus); APPNOTE.TXT 6.3 section 4.3 (zip).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from carapace.media.sniff_text import markup_in, sniff_text
from carapace.media.types import OCTETS, MediaKind, Sniffed

__all__ = ["HEAD_BYTES", "TAIL_BYTES", "sniff"]

HEAD_BYTES: Final = 8 * 1024
"""How much of the beginning decides."""
TAIL_BYTES: Final = 22 + 65_535
"""How much of the end: as far back as a zip's directory can begin to be found."""

_UNSURE: Final = Sniffed(OCTETS, MediaKind.UNKNOWN)
_PROGRAM: Final = Sniffed(OCTETS, MediaKind.ACTIVE)
_PDF: Final = b"%PDF-"
_PDF_REACH: Final = 1024  # readers look so far for the mark
_ZIP_END: Final = b"PK\x05\x06"

_Test = Callable[[bytes], Sniffed | None]


def _is(content_type: str, kind: MediaKind) -> Sniffed:
    return Sniffed(content_type, kind)


_MARKS: Final[tuple[tuple[bytes, Sniffed], ...]] = (
    (b"\x89PNG\r\n\x1a\n", _is("image/png", MediaKind.IMAGE)),
    (b"\xff\xd8\xff", _is("image/jpeg", MediaKind.IMAGE)),
    (b"GIF87a", _is("image/gif", MediaKind.IMAGE)),
    (b"GIF89a", _is("image/gif", MediaKind.IMAGE)),
    (b"II*\x00", _is("image/tiff", MediaKind.IMAGE)),
    (b"MM\x00*", _is("image/tiff", MediaKind.IMAGE)),
    (b"fLaC", _is("audio/flac", MediaKind.AUDIO)),
    (b"ID3", _is("audio/mpeg", MediaKind.AUDIO)),
    (b"#!AMR", _is("audio/amr", MediaKind.AUDIO)),
    (b"\x1f\x8b\x08", _is("application/gzip", MediaKind.ARCHIVE)),
    (b"BZh", _is("application/x-bzip2", MediaKind.ARCHIVE)),
    (b"\xfd7zXZ\x00", _is("application/x-xz", MediaKind.ARCHIVE)),
    (b"\x28\xb5\x2f\xfd", _is("application/zstd", MediaKind.ARCHIVE)),
    (b"7z\xbc\xaf\x27\x1c", _is("application/x-7z-compressed", MediaKind.ARCHIVE)),
    (b"Rar!\x1a\x07", _is("application/vnd.rar", MediaKind.ARCHIVE)),
    (b"{\\rtf", _is("application/rtf", MediaKind.DOCUMENT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _is("application/x-ole-storage", MediaKind.DOCUMENT)),
    (b"\x7fELF", _PROGRAM),
    (b"\xfe\xed\xfa\xce", _PROGRAM),
    (b"\xfe\xed\xfa\xcf", _PROGRAM),
    (b"\xce\xfa\xed\xfe", _PROGRAM),
    (b"\xcf\xfa\xed\xfe", _PROGRAM),
    (b"\xca\xfe\xba\xbe", _PROGRAM),
    (b"\x00asm", _PROGRAM),
    (b"dex\n", _PROGRAM),
)


def sniff(head: bytes, tail: bytes = b"") -> Sniffed:
    """The type of a file.

    Args:
        head: Its first `HEAD_BYTES`, or all of it if it is shorter.
        tail: Its last `TAIL_BYTES`, or all of it; empty if only the head is known.
    """
    for test in _TESTS:
        found = test(head)
        if found is not None:
            return _UNSURE if _is_something_else(found, head, tail or head) else found
    if _ends_as_zip(tail or head):
        return _UNSURE
    return sniff_text(head) or _UNSURE


def _is_something_else(found: Sniffed, head: bytes, tail: bytes) -> bool:
    """Whether another reader would take the same bytes for another thing."""
    if found.kind is MediaKind.ACTIVE:
        return False
    if found.content_type != "application/pdf" and _PDF in head[:_PDF_REACH]:
        return True
    if not _is_zip(head) and _ends_as_zip(tail):
        return True
    return found.kind in _SHOWN and markup_in(head)


_SHOWN: Final = frozenset({MediaKind.IMAGE, MediaKind.AUDIO, MediaKind.VIDEO})


def _marked(head: bytes) -> Sniffed | None:
    return next((found for mark, found in _MARKS if head.startswith(mark)), None)


def _pdf(head: bytes) -> Sniffed | None:
    start = head[:_PDF_REACH].lstrip(b"\xef\xbb\xbf \t\r\n\x00")
    return _is("application/pdf", MediaKind.DOCUMENT) if start.startswith(_PDF) else None


_RIFF_FORMS: Final = {
    b"WEBP": _is("image/webp", MediaKind.IMAGE),
    b"WAVE": _is("audio/wav", MediaKind.AUDIO),
    b"AVI ": _is("video/x-msvideo", MediaKind.VIDEO),
}


def _riff(head: bytes) -> Sniffed | None:
    return _RIFF_FORMS.get(head[8:12]) if head[:4] == b"RIFF" else None


_BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def _bmp(head: bytes) -> Sniffed | None:
    """`BM` alone begins many texts; a header of a known length does not."""
    if head[:2] != b"BM" or int.from_bytes(head[14:18], "little") not in _BMP_HEADERS:
        return None
    return _is("image/bmp", MediaKind.IMAGE)


_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), _is("image/avif", MediaKind.IMAGE)),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), _is("image/heic", MediaKind.IMAGE)
    ),
    **dict.fromkeys((b"mif1", b"msf1", b"heif"), _is("image/heif", MediaKind.IMAGE)),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), _is("audio/mp4", MediaKind.AUDIO)),
    b"qt  ": _is("video/quicktime", MediaKind.VIDEO),
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3ge6"), _is("video/3gpp", MediaKind.VIDEO)),
}
_STILL: Final = frozenset({b"mif1", b"msf1", b"heif"})


def _iso_media(head: bytes) -> Sniffed | None:
    """The `ftyp` box: a major brand, a version, then compatible brands."""
    length = int.from_bytes(head[:4], "big")
    if head[4:8] != b"ftyp" or not 16 <= length <= len(head):  # noqa: PLR2004 - its shortest form
        return None
    major = head[8:12]
    others = [head[at : at + 4] for at in range(16, length, 4)]
    if major in _STILL:
        major = next((one for one in others if one in _BRANDS and one not in _STILL), major)
    if (found := _BRANDS.get(major)) is not None:
        return found
    is_audio = b"soun" in head and b"vide" not in head
    if is_audio:
        return _is("audio/mp4", MediaKind.AUDIO)
    return _is("video/mp4", MediaKind.VIDEO)


def _ogg(head: bytes) -> Sniffed | None:
    if head[:4] != b"OggS":
        return None
    if b"\x80theora" in head or b"BBCD\x00" in head:
        return _is("video/ogg", MediaKind.VIDEO)
    return _is("audio/ogg", MediaKind.AUDIO)


def _matroska(head: bytes) -> Sniffed | None:
    """EBML: the document type, and whether a video codec is named among the tracks."""
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return None
    name = "webm" if b"webm" in head[:64] else "x-matroska"
    has_video = b"V_" in head or b"A_" not in head
    kind = MediaKind.VIDEO if has_video else MediaKind.AUDIO
    return _is(f"{kind.value}/{name}", kind)


_MP3_RATES_KBPS: Final = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_SAMPLES_HZ: Final = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}
_FREE_OR_BAD: Final = (0, 15)


def _mp3(head: bytes) -> Sniffed | None:
    """Two frames of layer III, the second where the first one says (ISO/IEC 11172-3)."""
    length = _mp3_frame_bytes(head)
    if length and _mp3_frame_bytes(head[length:]):
        return _is("audio/mpeg", MediaKind.AUDIO)
    return None


def _mp3_frame_bytes(data: bytes) -> int:
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:  # noqa: PLR2004 - sync, layer III
        return 0
    version, rate, sample = data[1] >> 3 & 3, data[2] >> 4, data[2] >> 2 & 3
    samples_hz = _MP3_SAMPLES_HZ.get(version)
    if samples_hz is None or rate in _FREE_OR_BAD or sample == 3:  # noqa: PLR2004 - reserved
        return 0
    kbps = _MP3_RATES_KBPS[3 if version == 3 else 2][rate]  # noqa: PLR2004 - MPEG 1
    per_frame = 144 if version == 3 else 72  # noqa: PLR2004 - MPEG 1
    return per_frame * kbps * 1000 // samples_hz[sample] + (data[2] >> 1 & 1)


def _aac(head: bytes) -> Sniffed | None:
    """Two ADTS frames in a row (ISO/IEC 13818-7)."""
    length = _adts_frame_bytes(head)
    if length and _adts_frame_bytes(head[length:]):
        return _is("audio/aac", MediaKind.AUDIO)
    return None


def _adts_frame_bytes(data: bytes) -> int:
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:  # noqa: PLR2004 - sync, layer 0
        return 0
    return (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5


def _is_zip(head: bytes) -> bool:
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


_ZIP_FORMS: Final = (
    (b"mimetypeapplication/epub+zip", "application/epub+zip"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    (
        b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.spreadsheet",
    ),
    (
        b"mimetypeapplication/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.presentation",
    ),
)
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OFFICE_FORMS: Final = (
    (b"word/", f"{_OFFICE}wordprocessingml.document"),
    (b"xl/", f"{_OFFICE}spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}presentationml.presentation"),
)


def _zip(head: bytes) -> Sniffed | None:
    if not _is_zip(head):
        return None
    first = head[30:110]  # the name of the first entry and, since it is stored, its content
    for mark, content_type in _ZIP_FORMS:
        if first.startswith(mark):
            return _is(content_type, MediaKind.DOCUMENT)
    names = _zip_names(head)
    if b"[Content_Types].xml" in names:
        for folder, content_type in _OFFICE_FORMS:
            if any(name.startswith(folder) for name in names):
                return _is(content_type, MediaKind.DOCUMENT)
    if b"META-INF/MANIFEST.MF" in names or b"AndroidManifest.xml" in names:
        return _PROGRAM
    return _is("application/zip", MediaKind.ARCHIVE)


_ZIP_ENTRY: Final = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)


def _zip_names(head: bytes) -> set[bytes]:
    """Names of the entries whose headers lie in the head."""
    found: set[bytes] = set()
    for entry in _ZIP_ENTRY.finditer(head):
        length = int.from_bytes(entry[1], "little")
        found.add(head[entry.end() : entry.end() + length])
    return found


def _ends_as_zip(tail: bytes) -> bool:
    """Whether an end-of-directory record closes the file exactly."""
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        comment_bytes = int.from_bytes(tail[at + 20 : at + 22], "little")
        if at + 22 + comment_bytes == len(tail):
            return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _tar(head: bytes) -> Sniffed | None:
    found = head[257:262] == b"ustar"
    return _is("application/x-tar", MediaKind.ARCHIVE) if found else None


def _windows_program(head: bytes) -> Sniffed | None:
    """`MZ` with an offset to a header, not two letters that begin a text."""
    is_program = head[:2] == b"MZ" and b"\x00" in head[:64]
    return _PROGRAM if is_program else None


_TESTS: Final[tuple[_Test, ...]] = (
    _marked,
    _pdf,
    _riff,
    _bmp,
    _iso_media,
    _ogg,
    _matroska,
    _zip,
    _tar,
    _windows_program,
    _mp3,
    _aac,
)
