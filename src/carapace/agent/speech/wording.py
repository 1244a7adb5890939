"""From text to read to text to hear: marks, code and addresses are not read out. Pure."""

from __future__ import annotations

import html
import re
from typing import Final

__all__ = ["spoken_words"]

_FENCED: Final = re.compile(r"```.*?(?:```|\Z)|<pre[\s>].*?</pre>", re.DOTALL | re.IGNORECASE)
_LINK: Final = re.compile(r"\[([^\]\n]{1,500})\]\([^)\s]{1,2000}\)")
_ADDRESS: Final = re.compile(r"https?://\S+")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>\n]{0,500}>")
_LEAD: Final = re.compile(r"^\s{0,12}(?:#{1,6}\s+|[-*+]\s+|>\s?)+", re.MULTILINE)
_MARKS: Final = re.compile(r"\*{1,3}|_{2,3}|~{1,2}|`+|\|{1,2}")
_GAPS: Final = re.compile(r"[ \t]+")
_LINES: Final = re.compile(r"\n{3,}")


def spoken_words(text: str) -> str:
    """What is left to say of a text in Markdown or HTML; may be nothing."""
    text = _FENCED.sub(" ", text)
    text = _LINK.sub(r"\1", text)
    text = html.unescape(_TAG.sub("", text))
    text = _ADDRESS.sub(" ", text)
    text = _MARKS.sub("", _LEAD.sub("", text))
    return _LINES.sub("\n\n", _GAPS.sub(" ", text)).strip()
