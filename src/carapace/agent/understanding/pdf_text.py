"""The text of a PDF. Runs in the confined child only: a PDF can be made to cost any amount."""

from __future__ import annotations

import importlib
import io
from typing import Any

from carapace.agent.understanding.wire import Job, Reading, Unreadable

__all__ = ["read_pdf"]

_MISSING = "needs a library that is not installed. Run: pip install 'carapace-gateway[media]'"


def read_pdf(data: bytes, job: Job) -> Reading | Unreadable:
    """The text of its first pages."""
    try:
        pypdf: Any = importlib.import_module("pypdf")
    except ImportError:
        return Unreadable(_MISSING, is_missing=True)
    try:
        document = pypdf.PdfReader(io.BytesIO(data), strict=False)
        # Many documents are locked with an empty password, which any viewer tries.
        if document.is_encrypted and not document.decrypt(""):
            return Unreadable("is protected by a password")
        return _read(document, job)
    except RecursionError:
        return Unreadable("is nested too deeply")
    except Exception as error:  # noqa: BLE001 - the library raises whatever a broken file makes it
        return Unreadable(f"is broken ({type(error).__name__})")


def _read(document: Any, job: Job) -> Reading:
    n_pages = len(document.pages)
    pages: list[str] = []
    left = job.max_chars
    for number in range(min(n_pages, job.max_pages)):
        text = document.pages[number].extract_text().strip()
        if text:
            pages.append(text[:left])
        left -= len(text)
        if left <= 0:
            break
    is_cut = left < 0 or n_pages > job.max_pages
    return Reading("\n\n".join(pages), n_pages=n_pages, is_cut=is_cut)
