"""Names of files are for people: what hides, misleads or leads elsewhere goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.media.filename import content_disposition, display_filename, filename_from_headers


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, None),
        ("", None),
        ("...", None),
        ("\u200b\u202e", None),
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.exe", "a.exe"),
        ("\\\\host\\share\\x", "x"),
        (".bashrc", "bashrc"),
        ("a\x00b\r\nc", "a b c"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("e\u0301te\u0301.png", "été.png"),
        ("x" * 300 + ".jpeg", "x" * 115 + ".jpeg"),
        ("x" * 300, "x" * 120),
        ("a." + "y" * 300, "a." + "y" * 118),
    ],
)
def test_a_name_is_made_harmless(text: str | None, name: str | None):
    assert display_filename(text) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, "photo 1.jpg"),
        ("attachment", "photo 1.jpg"),
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=plain.txt", "plain.txt"),
        ('attachment; filename="../../x.sh"', "x.sh"),
        ('attachment; filename="say \\"hi\\".txt"', "say _hi_.txt"),
        ("attachment; filename=old.txt; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ("attachment; filename*=iso-8859-1'en'%A3.txt", "£.txt"),
        ("attachment; filename*=utf-7''x; filename=ok.txt", "ok.txt"),
        ("attachment; filename*=broken", "photo 1.jpg"),
        ("attachment; filename*=UTF-8''%FF%FE.txt", "\ufffd\ufffd.txt"),
        ("filename=" + "x" * 100_000, "photo 1.jpg"),
    ],
)
def test_the_header_names_it_else_the_address(header: str | None, name: str):
    assert filename_from_headers(header, "https://x.example/a/photo%201.jpg?t=1#f") == name


def test_an_address_without_a_path_names_nothing():
    assert filename_from_headers(None, "https://x.example") is None
    assert filename_from_headers(None, "https://x.example/?q=a/b") is None


def test_both_forms_of_a_name_are_sent():
    assert content_disposition(None, is_inline=True) == "inline"
    assert content_disposition("a.png", is_inline=True) == 'inline; filename="a.png"'
    assert (
        content_disposition("100% naïve.txt", is_inline=False)
        == "attachment; filename=\"100_ na_ve.txt\"; filename*=UTF-8''100%25%20na%C3%AFve.txt"
    )


@given(st.text(max_size=300))
def test_no_name_leads_anywhere_or_breaks_a_header(text: str):
    name = display_filename(text)
    if name is not None:
        assert 0 < len(name) <= 120
        assert not set(name) & set('/\\<>:"|?*\r\n\x00')
        assert name not in (".", "..")
        header = content_disposition(name, is_inline=False)
        assert header.isascii()
        assert header.isprintable()
        quoted = header.partition('filename="')[2]
        assert quoted.count('"') == 1
