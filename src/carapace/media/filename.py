"""What a sender called a file: for people to read, never part of a path. Pure.

Sources: RFC 6266 and RFC 8187 (Content-Disposition), RFC 9110 section 5.6.6 (parameters).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

__all__ = ["content_disposition", "display_filename", "filename_from_headers"]

_MAX_CHARS: Final = 120
_MAX_SUFFIX: Final = 12
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that people cannot see, among them what turns the order of letters."""
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_PARAMETER: Final = re.compile(
    r';\s*(?P<name>[\w!#$&+.^`|~-]+\*?)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^;]*))'
)
_ENCODINGS: Final = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}
_MAX_HEADER_CHARS: Final = 4096


def display_filename(text: str | None) -> str | None:
    """A file name that is safe to show, or None if nothing is left of it.

    Folders, invisible characters and what shells or Windows give a meaning go; its end, where
    the suffix is, survives the cut to 120 characters.
    """
    if not text:
        return None
    base = re.split(r"[/\\]", text)[-1]
    seen = "".join(
        char if unicodedata.category(char) not in _HIDDEN else " "
        for char in unicodedata.normalize("NFC", base)
    )
    name = " ".join(_FORBIDDEN.sub("_", seen).split()).strip(". ")
    if len(name) > _MAX_CHARS:
        stem, dot, suffix = name.rpartition(".")
        if not stem or len(suffix) > _MAX_SUFFIX:
            return name[:_MAX_CHARS]
        name = stem[: _MAX_CHARS - len(suffix) - 1] + dot + suffix
    return name or None


def filename_from_headers(disposition: str | None, url: str) -> str | None:
    """The name in a Content-Disposition header, else the last part of the URL's path."""
    if disposition:
        parameters = dict(_parameters(disposition[:_MAX_HEADER_CHARS]))
        for name in ("filename*", "filename"):
            if found := display_filename(parameters.get(name)):
                return found
    path = url.partition("://")[2].partition("/")[2]
    return display_filename(unquote(re.split(r"[?#]", path)[0].rpartition("/")[2]))


def _parameters(header: str) -> Iterator[tuple[str, str]]:
    for match in _PARAMETER.finditer(header):
        name, quoted, token = match["name"].lower(), match["quoted"], match["token"]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (token or "").strip()
        if name.endswith("*"):
            value = _extended(value)
        yield name, value


def _extended(value: str) -> str:
    """`UTF-8'en'na%C3%AFve.txt` (RFC 8187 section 3.2.1)."""
    charset, mark, rest = value.partition("'")
    encoding = _ENCODINGS.get(charset.strip().lower())
    if encoding is None or not mark:
        return ""
    return unquote_to_bytes(rest.partition("'")[2]).decode(encoding, "replace")


def content_disposition(filename: str | None, *, is_inline: bool) -> str:
    """The header for handing a file out; both forms of the name, so that every client reads one."""
    kind = "inline" if is_inline else "attachment"
    name = display_filename(filename)
    if name is None:
        return kind
    plain = "".join(char if char.isascii() and char not in '"\\%' else "_" for char in name)
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
