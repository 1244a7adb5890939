"""Content says what a file is; what could be two things is neither."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.media.sniff import HEAD_BYTES, TAIL_BYTES, sniff
from carapace.media.types import MediaKind
from support.media import PNG

OCTETS = "application/octet-stream"
OFFICE = "application/vnd.openxmlformats-officedocument."
ODF = "application/vnd.oasis.opendocument."


def box(major: bytes, *others: bytes) -> bytes:
    body = major + b"\x00\x00\x00\x00" + b"".join(others)
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body


def zipped(*entries: tuple[str, str], comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in entries:
            archive.writestr(name, text)
        archive.comment = comment
    return out.getvalue()


def mp3(frames: int = 2, first: bytes = b"\xff\xfb\x90\x00") -> bytes:
    return (first + bytes(417 - 4)) * frames


def adts(frames: int = 2) -> bytes:
    length = 32
    head = bytes([0xFF, 0xF1, 0x50, length >> 11, length >> 3 & 0xFF, (length & 7) << 5, 0])
    return (head + bytes(length - 7)) * frames


SAMPLES = {
    "image/png": [PNG],
    "image/jpeg": [b"\xff\xd8\xff\xe0\x00\x10JFIF"],
    "image/gif": [b"GIF89a" + bytes(20), b"GIF87a" + bytes(20)],
    "image/webp": [b"RIFF\x24\x00\x00\x00WEBPVP8 "],
    "image/avif": [box(b"avif"), box(b"mif1", b"miaf", b"avif"), box(b"avis")],
    "image/heic": [box(b"heic"), box(b"mif1", b"heic"), box(b"heix")],
    "image/heif": [box(b"mif1", b"miaf")],
    "image/bmp": [b"BM" + bytes(12) + struct.pack("<I", 40) + bytes(36)],
    "image/tiff": [b"II*\x00\x08\x00\x00\x00", b"MM\x00*\x00\x00\x00\x08"],
    "audio/ogg": [b"OggS" + bytes(24) + b"OpusHead", b"OggS" + bytes(24) + b"\x01vorbis"],
    "video/ogg": [b"OggS" + bytes(24) + b"\x80theora"],
    "audio/mpeg": [b"ID3\x04\x00", mp3(), (b"\xff\xf3\x80\x00" + bytes(204)) * 2],
    "audio/aac": [adts()],
    "audio/wav": [b"RIFF\x24\x00\x00\x00WAVEfmt "],
    "audio/flac": [b"fLaC\x00"],
    "audio/amr": [b"#!AMR\n\x3c"],
    "audio/mp4": [box(b"M4A "), box(b"isom", b"mp42") + b"moov hdlr soun"],
    "audio/webm": [b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm" + bytes(20) + b"A_OPUS"],
    "video/webm": [b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm" + bytes(20) + b"V_VP9 A_OPUS"],
    "video/x-matroska": [b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska" + bytes(20)],
    "video/mp4": [box(b"isom", b"mp42"), box(b"mp42") + b"moov vide soun"],
    "video/quicktime": [box(b"qt  ")],
    "video/3gpp": [box(b"3gp4", b"isom")],
    "video/x-msvideo": [b"RIFF\x24\x00\x00\x00AVI LIST"],
    "application/pdf": [b"%PDF-1.7\n", b"\xef\xbb\xbf%PDF-1.4", b"\r\n %PDF-1.4"],
    "application/zip": [zipped(("a.txt", "x")), zipped(("a", ""), comment=b"hi"), zipped()],
    f"{OFFICE}wordprocessingml.document": [
        zipped(("[Content_Types].xml", "x"), ("word/document.xml", "x"))
    ],
    f"{OFFICE}spreadsheetml.sheet": [zipped(("[Content_Types].xml", "x"), ("xl/book.xml", "x"))],
    f"{OFFICE}presentationml.presentation": [
        zipped(("[Content_Types].xml", "x"), ("ppt/slide.xml", "x"))
    ],
    "application/epub+zip": [zipped(("mimetype", "application/epub+zip"))],
    f"{ODF}text": [zipped(("mimetype", f"{ODF}text"))],
    f"{ODF}spreadsheet": [zipped(("mimetype", f"{ODF}spreadsheet"))],
    f"{ODF}presentation": [zipped(("mimetype", f"{ODF}presentation"))],
    "application/gzip": [b"\x1f\x8b\x08\x00"],
    "application/x-bzip2": [b"BZh91AY"],
    "application/x-xz": [b"\xfd7zXZ\x00\x00"],
    "application/zstd": [b"\x28\xb5\x2f\xfd\x04"],
    "application/x-7z-compressed": [b"7z\xbc\xaf\x27\x1c\x00"],
    "application/vnd.rar": [b"Rar!\x1a\x07\x01\x00"],
    "application/x-tar": [b"name" + bytes(253) + b"ustar\x0000" + bytes(240)],
    "application/rtf": [b"{\\rtf1 hello}"],
    "application/x-ole-storage": [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(10)],
    "text/plain": [b"BMW is a car", b"MZungu", b"OK", "grüße".encode()],
    OCTETS: [bytes(100), b"\x00\x01\x02", b"\xfd\xfc\x80"],
}


@pytest.mark.parametrize(
    ("data", "content_type"),
    [(data, name) for name, samples in SAMPLES.items() for data in samples],
)
def test_each_form_is_known_by_its_content(data: bytes, content_type: str):
    assert sniff(data[:HEAD_BYTES], data[-TAIL_BYTES:]).content_type == content_type


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01",
        b"MZ\x90\x00\x03\x00\x00\x00",
        b"\xcf\xfa\xed\xfe\x07",
        b"\xca\xfe\xba\xbe\x00",
        b"\x00asm\x01\x00\x00\x00",
        b"dex\n035\x00",
        zipped(("META-INF/MANIFEST.MF", "x"), ("A.class", "x")),
    ],
)
def test_programs_are_octets_that_would_run(data: bytes):
    found = sniff(data, data)
    assert (found.content_type, found.kind) == (OCTETS, MediaKind.ACTIVE)


@pytest.mark.parametrize(
    "data",
    [
        PNG + zipped(("a", "x")),
        b"\xff\xd8\xff\xe1\x00\x40Exif" + bytes(50) + b"<script>alert(1)</script>",
        b"GIF89a/*" + b"<html>" + bytes(20),
        b"GIF89a" + bytes(100) + b"%PDF-1.4",
        b"%PDF-1.4\n" + bytes(50) + zipped(("a", "x")),
        b"ID3\x04<body onload=x>",
        b"hello\n" + zipped(("a", "x")),
        b"RIFF\x24\x00\x00\x00WAVE<iframe src=x>",
        b"\x89PNG\r\n\x1a\n" + b"javascript:alert(1)",
        b"\x1f\x8b\x08\x00" + bytes(40) + b"%PDF-1.4",
    ],
)
def test_what_could_be_two_things_is_nothing_that_opens_by_itself(data: bytes):
    found = sniff(data[:HEAD_BYTES], data[-TAIL_BYTES:])
    assert (found.content_type, found.kind) == (OCTETS, MediaKind.UNKNOWN)


def test_letters_of_a_zip_amid_a_picture_are_no_zip():
    assert sniff(PNG + b"PK\x05\x06" + bytes(60)).content_type == "image/png"


@pytest.mark.parametrize(
    "data",
    [
        mp3(1),
        b"\xff\xfb\xf0\x00" * 300,  # a bit rate that is forbidden
        b"\xff\xfb\x9c\x00" * 300,  # a sample rate that is reserved
        b"\xff\xeb\x90\x00" * 300,  # a version that is reserved
        adts(1),
        b"\xff\xf1",
        b"BM" + bytes(30),
        b"RIFF\x24\x00\x00\x00XXXX\xff",
        b"\x00\x00\x00\x0cftypavif\xff",
        b"\x00\x00\xff\xffftypavif\xff",
    ],
)
def test_half_a_mark_is_no_mark(data: bytes):
    assert sniff(data).content_type == OCTETS


@given(st.binary(max_size=400))
def test_no_bytes_break_it_and_active_content_is_never_called_a_picture(data: bytes):
    found = sniff(data, data)
    assert found.content_type
    if found.kind is MediaKind.ACTIVE:
        assert not found.content_type.startswith(("image/png", "audio/", "video/"))


@given(
    st.sampled_from([sample for samples in SAMPLES.values() for sample in samples]),
    st.integers(0, 300),
)
def test_no_cut_breaks_it(data: bytes, length: int):
    assert sniff(data[:length], data[:length]).content_type
