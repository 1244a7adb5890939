"""Text is told from bytes, and what would run from what is read."""

from __future__ import annotations

import codecs

import pytest

from carapace.media.sniff_text import markup_in, sniff_text
from carapace.media.types import MediaKind


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<!DOCTYPE html><p>", "text/html"),
        (b"  \n<HTML >", "text/html"),
        (b"\xef\xbb\xbf<script>x", "text/html"),
        (b"<a href=x>", "text/html"),
        (b"<!-- hi --><b>", "text/html"),
        (codecs.BOM_UTF16_LE + "<html >".encode("utf-16-le"), "text/html"),
        (codecs.BOM_UTF16_BE + "<svg >".encode("utf-16-be"), "image/svg+xml"),
        (codecs.BOM_UTF32_LE + "<html >".encode("utf-32-le"), "text/html"),
        (b"<svg onload=x>", "image/svg+xml"),
        (b"<s:svg xmlns:s='x'>", "image/svg+xml"),
        (b"<!DOCTYPE svg PUBLIC>", "image/svg+xml"),
        (b"<!-- made by hand --><svg >", "image/svg+xml"),
        (b"<?xml version='1.0'?>\n<svg >", "image/svg+xml"),
        (b"<?xml version='1.0'?><html >", "application/xhtml+xml"),
        (b"<?xml version='1.0'?><rss>", "application/xml"),
        (b"#!/usr/bin/env python", "text/x-script"),
    ],
)
def test_what_would_run_is_active(data: bytes, content_type: str):
    found = sniff_text(data)
    assert found is not None
    assert (found.content_type, found.kind) == (content_type, MediaKind.ACTIVE)


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"plain words", "text/plain"),
        (b"a < b and <x> is no tag", "text/plain"),
        (b"<private note>", "text/plain"),
        (b"In HTML one writes <script>.", "text/plain"),
        ("grüße, 世界".encode(), "text/plain"),
        ("grüße, 世界".encode()[:-1], "text/plain"),
        (codecs.BOM_UTF16_LE + "hello".encode("utf-16-le"), "text/plain"),
        (b'{"a": 1}', "text/plain"),
        (b"\x1b[1mbold\x1b[0m", "text/plain"),
        (b"BEGIN:VCALENDAR\r\nVERSION:2.0", "text/calendar"),
        (b"BEGIN:VCARD\r\nVERSION:3.0", "text/vcard"),
    ],
)
def test_what_is_read_is_text(data: bytes, content_type: str):
    found = sniff_text(data)
    assert found is not None
    assert (found.content_type, found.kind) == (content_type, MediaKind.TEXT)


@pytest.mark.parametrize(
    "data",
    [b"a\x00b", b"\xff\xff", b"\x07bell", b"caf\xe9 latin", codecs.BOM_UTF16_LE + b"\x00\xdc"],
)
def test_what_is_no_text_is_none(data: bytes):
    assert sniff_text(data) is None


def test_markup_is_found_wherever_it_stands():
    assert markup_in(bytes(100) + b"<ScRiPt >")
    assert markup_in(b"xx<svg/onload=1>")
    assert not markup_in(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>")
