"""The text of a web page: what a reader would see, without scripts and hidden parts. Pure.

Hidden text is the usual way to speak to a machine behind a person's back, so what a page hides
by the plain means (attributes and inline styles) is left out.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

__all__ = ["PageText", "decode_page"]

_SKIPPED: Final = frozenset(
    {
        "applet", "audio", "canvas", "dialog", "embed", "form", "frameset", "iframe", "map",
        "math", "noembed", "noframes", "noscript", "object", "script", "select", "style", "svg",
        "template", "textarea", "video",
    }
)  # fmt: skip
_VOID: Final = frozenset(
    {
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param",
        "source", "track", "wbr",
    }
)  # fmt: skip
_BLOCK: Final = frozenset(
    {
        "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption",
        "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main",
        "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
    }
)  # fmt: skip
_HIDING: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$)"
    r"|font-size\s*:\s*0(?:\.0+)?[a-z%]*\s*(?:;|!|$)",
    re.IGNORECASE,
)
_SPACE: Final = re.compile(r"[ \t\r\f\v\u00a0]+")
_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:-]{1,40})", re.IGNORECASE
)
_HEAD_BYTES: Final = 2_048
_MAX_DEPTH: Final = 500


def decode_page(data: bytes, charset: str | None) -> str:
    """The page as text: by its mark, the server's word, its own, or UTF-8; never fails."""
    if data.startswith(b"\xef\xbb\xbf"):
        return data[3:].decode("utf-8", errors="replace")
    found = _CHARSET.search(data[:_HEAD_BYTES])
    said = charset or (found[1].decode("ascii") if found else "utf-8")
    try:
        return data.decode(said, errors="replace")
    except (LookupError, ValueError):
        # Unknown, or one that is no encoding of text (`hex`, `zlib`).
        return data.decode("utf-8", errors="replace")


class PageText(HTMLParser):
    """Collects title and text; feed it, close it, then ask.

    Args:
        max_chars: Text beyond this is not kept.
    """

    def __init__(self, max_chars: int) -> None:
        super().__init__(convert_charrefs=True)
        self._max_chars = max_chars
        self._kept: list[str] = []
        self._title: list[str] = []
        self._n_chars = 0
        self._open: list[tuple[str, bool]] = []
        self._hidden = 0
        self._in_title = False
        self.is_cut = False

    @property
    def title(self) -> str:
        """In one line."""
        return " ".join("".join(self._title).split())[:300]

    @property
    def text(self) -> str:
        """Paragraphs on lines of their own."""
        lines = (_SPACE.sub(" ", line).strip() for line in "".join(self._kept).split("\n"))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        if tag in _BLOCK:
            self._break()
        if tag == "title" and not self._hidden:
            self._in_title = True
        if tag in _VOID or len(self._open) >= _MAX_DEPTH:
            return
        hides = tag in _SKIPPED or _is_hidden(attrs)
        self._open.append((tag, hides))
        self._hidden += hides

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<tag/>` opens an element in HTML as `<tag>` does, whatever its author believed."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """An element ends, and with it those inside that nobody closed."""
        if tag == "title":
            self._in_title = False
        if tag in _BLOCK:
            self._break()
        for depth in range(len(self._open) - 1, -1, -1):
            if self._open[depth][0] == tag:
                for _, hides in self._open[depth:]:
                    self._hidden -= hides
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if self._in_title:
            if len(self._title) < 10:  # noqa: PLR2004 - pieces; a title is short
                self._title.append(data[:1_000])
        elif not self._hidden:
            self._add(data)

    def _break(self) -> None:
        """A new line, unless one has begun: tags without text must not use up the bound."""
        if self._kept and not self._kept[-1].endswith("\n"):
            self._add("\n")

    def _add(self, text: str) -> None:
        left = self._max_chars - self._n_chars
        if len(text) > left:
            self.is_cut = self.is_cut or bool(text.strip())
            text = text[: max(0, left)]
        if text:
            self._n_chars += len(text)
            self._kept.append(text)


def _is_hidden(attrs: list[tuple[str, str | None]]) -> bool:
    for name, value in attrs:
        if name == "hidden" or (name == "aria-hidden" and (value or "").lower() == "true"):
            return True
        if name == "style" and value and _HIDING.search(value):
            return True
    return False
