"""Whether bytes are text, and whether a browser or a shell would run them. Pure.

Sources: WHATWG MIME Sniffing Standard, section 7.1 (the marks of HTML) and section 3 (binary
data bytes).
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from carapace.media.types import MediaKind, Sniffed

__all__ = ["markup_in", "sniff_text"]

_HTML: Final = re.compile(
    r"<(?:!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p"
    r"|img|form|object|embed|base|link|meta|template|math|video|audio)[\s/>]"
    r"|<!--",
    re.IGNORECASE,
)
_SVG: Final = re.compile(r"<(?:[a-z0-9_.-]+:)?svg[\s/>]|<!doctype\s+svg", re.IGNORECASE)
_XHTML: Final = re.compile(r"<(?:[a-z0-9_.-]+:)?html[\s/>]", re.IGNORECASE)
_MARKUP: Final = re.compile(
    rb"<(?:!doctype\s+html|html|script|iframe|body|svg|object|embed)[\s/>]|javascript:",
    re.IGNORECASE,
)
_BINARY: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def markup_in(head: bytes) -> bool:
    """Whether a picture or sound also holds what a browser would run as a page."""
    return _MARKUP.search(head) is not None


def sniff_text(head: bytes) -> Sniffed | None:
    """The type of a text, or None if these bytes are none.

    Args:
        head: The beginning of the file; a character may be cut at its end.
    """
    text = _decoded(head)
    if text is None or _BINARY.search(text):
        return None
    start = text.lstrip("\ufeff \t\r\n\f")
    if start.startswith("#!"):
        return Sniffed("text/x-script", MediaKind.ACTIVE)
    if start[:5].lower() == "<?xml":
        return _xml(start)
    if _SVG.match(start) or _HTML.match(start):
        return _markup(start)
    content_type = next((found for mark, found in _FORMS if start.startswith(mark)), "text/plain")
    return Sniffed(content_type, MediaKind.TEXT)


_FORMS: Final = (("BEGIN:VCALENDAR", "text/calendar"), ("BEGIN:VCARD", "text/vcard"))


def _markup(start: str) -> Sniffed:
    """HTML or SVG; a comment may stand before what it is."""
    is_commented_svg = start.startswith("<!--") and _SVG.search(start) and not _XHTML.search(start)
    is_svg = _SVG.match(start) or is_commented_svg
    return Sniffed("image/svg+xml" if is_svg else "text/html", MediaKind.ACTIVE)


def _xml(start: str) -> Sniffed:
    """XML may name a style sheet with script, so no form of it is harmless."""
    if _SVG.search(start):
        return Sniffed("image/svg+xml", MediaKind.ACTIVE)
    if _XHTML.search(start):
        return Sniffed("application/xhtml+xml", MediaKind.ACTIVE)
    return Sniffed("application/xml", MediaKind.ACTIVE)


def _decoded(head: bytes) -> str | None:
    encoding = next((name for mark, name in _WIDE if head.startswith(mark)), "utf-8")
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
