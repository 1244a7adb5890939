"""PDF as text, in this process; the child is tested with its runner."""

from __future__ import annotations

import io
import sys

import pypdf
import pytest

from carapace.agent.understanding.pdf_text import read_pdf
from carapace.agent.understanding.wire import Job, Reading, Unreadable
from support.documents import pdf

JOB = Job("pdf", max_chars=1_000, max_pages=10)


def test_pages_become_paragraphs():
    assert read_pdf(pdf("Hello there", "Second page"), JOB) == Reading(
        "Hello there\n\nSecond page", n_pages=2
    )


def test_pages_and_characters_are_capped():
    told = read_pdf(pdf("one", "two", "three"), Job("pdf", max_chars=100, max_pages=2))
    assert told == Reading("one\n\ntwo", n_pages=3, is_cut=True)
    told = read_pdf(pdf("one and more", "two"), Job("pdf", max_chars=5, max_pages=9))
    assert isinstance(told, Reading)
    assert (told.text, told.is_cut) == ("one a", True)


def test_an_empty_page_says_nothing():
    assert read_pdf(pdf("", "two"), JOB) == Reading("two", n_pages=2)


def _locked(password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(pdf("secret"))))
    # RC4 is what the library can do without help; only the lock matters here.
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_an_empty_password_opens_and_another_is_told():
    assert read_pdf(_locked(""), JOB) == Reading("secret", n_pages=1)
    assert read_pdf(_locked("x"), JOB) == Unreadable("is protected by a password")


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.4", b"not at all", pdf("x")[:200], b"%PDF-1.4\n" + bytes(1_000)]
)
def test_what_is_broken_is_told(data: bytes):
    told = read_pdf(data, JOB)
    assert isinstance(told, Unreadable)
    assert told.reason.startswith("is broken")


def test_a_missing_library_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    told = read_pdf(pdf("x"), JOB)
    assert isinstance(told, Unreadable)
    assert told.is_missing
    assert "carapace-gateway[media]" in told.reason


def test_nesting_without_end_is_told(monkeypatch: pytest.MonkeyPatch):
    def deeper(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(pypdf, "PdfReader", deeper)
    assert read_pdf(pdf("x"), JOB) == Unreadable("is nested too deeply")
