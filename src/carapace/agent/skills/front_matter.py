"""The head of a SKILL.md: the part of YAML that people write there, read strictly.

Mappings and lists by indentation, plain and quoted values, block text (`|`, `>`), comments, and
JSON5 in one or many lines. Anchors, tags, aliases and merge keys are refused: nobody needs them
there, and they are what makes a reader of YAML dangerous. Plain values stay text, except
`true` and `false`. As in files people really write, a plain value may hold `: `.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from carapace.config.json5 import Json5Error, parse
from carapace.value import Value

__all__ = ["MAX_HEAD_CHARS", "FrontMatterError", "split_front_matter"]

MAX_HEAD_CHARS: Final = 32_768
_MAX_DEPTH: Final = 8
_FENCE: Final = "---"
_KEY: Final = re.compile(
    r"""(?:"([^"\\]{1,128})"|'([^']{1,128})'|([^\s#'":,\[\]{}&*!|>%@`-][^:#]{0,127}?))\s*:(?:\s+|$)"""
)
_BLOCK: Final = re.compile(r"([|>])([+-]?)\s*(?:#.*)?$")
_COMMENT: Final = re.compile(r"\s#.*$")
_REFUSED: Final = ("&", "*", "!", "%", "@", "`", "<<")
_WORDS: Final = {"true": True, "false": False}


class FrontMatterError(ValueError):
    """The head cannot be read; the text says why, with a line counted from the file's first."""


class _Line(Value, frozen=True):
    """One line with something in it."""

    number: int
    indent: int
    text: str


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The head as plain values, and the text below it.

    A file that does not begin with `---` has no head: an empty mapping and all of its text.

    Raises:
        FrontMatterError: If there is a head and it cannot be read.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return {}, text
    end = next((at for at, one in enumerate(lines) if at and one.rstrip() == _FENCE), None)
    if end is None:
        raise FrontMatterError("line 1: the head that begins with --- is not closed by ---")
    head = lines[1:end]
    if sum(map(len, head)) > MAX_HEAD_CHARS:
        raise FrontMatterError(f"line 1: the head is longer than {MAX_HEAD_CHARS} characters")
    return _Reader(head).read(), "\n".join(lines[end + 1 :]).strip()


class _Reader:
    """Reads the lines of one head; `_at` is the next one."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0

    def read(self) -> dict[str, Any]:
        first = self._peek()
        if first is None:
            return {}
        found = self._block(first.indent, 0)
        left = self._peek()
        if left is not None:
            raise _wrong(left, "is indented less than what stands above it")
        if not isinstance(found, dict):
            raise _wrong(first, "is no `key: value`")
        return cast("dict[str, Any]", found)

    def _peek(self) -> _Line | None:
        """The next line that says something; blank lines and comments are passed."""
        while self._at < len(self._lines):
            raw = self._lines[self._at]
            text = raw.strip()
            if text and not text.startswith("#"):
                lead = raw[: len(raw) - len(raw.lstrip())]
                line = _Line(self._at + 2, len(lead), text)
                if "\t" in lead:
                    raise _wrong(line, "is indented with a tab; use spaces")
                return line
            self._at += 1
        return None

    def _block(self, indent: int, depth: int) -> Any:
        """The mapping or list whose lines begin at `indent`."""
        line = self._peek()
        if line is None or depth > _MAX_DEPTH:
            raise FrontMatterError(f"line {self._at + 2}: it is nested too deeply")
        if line.text == "-" or line.text.startswith("- "):
            return self._list(indent, depth)
        if line.text[0] in "{[" and not _KEY.match(line.text):
            return self._flow(line.text, line)
        return self._mapping(indent, depth)

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (line := self._peek()) is not None and line.indent == indent:
            match = _KEY.match(line.text)
            if match is None:
                raise _wrong(line, "is no `key: value`")
            key = match[1] or match[2] or match[3].strip()
            if key in found or key == "<<":
                raise _wrong(line, f"has the key {key!r}, which is there already or not allowed")
            found[key] = self._value(line, line.text[match.end() :], depth)
        self._refuse_deeper(indent)
        return found

    def _list(self, indent: int, depth: int) -> list[Any]:
        found: list[Any] = []
        while (line := self._peek()) is not None and line.indent == indent:
            if line.text != "-" and not line.text.startswith("- "):
                break
            rest = line.text[1:].lstrip()
            if rest and _KEY.match(rest) and rest[0] not in "\"'":
                # `- key: value`: a mapping whose first line begins behind the dash.
                inner = indent + len(line.text) - len(rest)
                self._lines[self._at] = " " * inner + rest
                found.append(self._block(inner, depth + 1))
            else:
                found.append(self._value(line, rest, depth))
        self._refuse_deeper(indent)
        return found

    def _refuse_deeper(self, indent: int) -> None:
        line = self._peek()
        if line is not None and line.indent > indent:
            raise _wrong(line, "is indented more than its neighbours")

    def _value(self, line: _Line, text: str, depth: int) -> Any:
        """What stands behind a key or dash, on this line or below it."""
        text = text.strip()
        block = _BLOCK.match(text)
        if block is not None:
            self._at += 1
            return self._text_below(line.indent, folded=block[1] == ">")
        if not text or text.startswith("#"):
            self._at += 1
            below = self._peek()
            is_list = below is not None and below.indent == line.indent and below.text[:2] == "- "
            if below is None or (below.indent <= line.indent and not is_list):
                return None
            return self._block(below.indent, depth + 1)
        if text[0] in "{[":
            return self._flow(text, line)
        self._at += 1
        return _scalar(self._joined(line, text), line)

    def _joined(self, line: _Line, text: str) -> str:
        """A plain value and the deeper lines that continue it."""
        if text[0] in "\"'":
            return text
        text = _COMMENT.sub("", text)
        while (more := self._peek()) is not None and more.indent > line.indent:
            text += " " + _COMMENT.sub("", more.text)
            self._at += 1
        return text

    def _text_below(self, indent: int, *, folded: bool) -> str:
        """Block text: all deeper lines, blank ones included."""
        lines: list[str] = []
        while self._at < len(self._lines):
            raw = self._lines[self._at]
            if raw.strip() and len(raw) - len(raw.lstrip()) <= indent:
                break
            lines.append(raw)
            self._at += 1
        margin = min((len(one) - len(one.lstrip()) for one in lines if one.strip()), default=0)
        text = "\n".join(one[margin:].rstrip() for one in lines).strip("\n")
        return re.sub(r"(?<!\n)\n(?!\n)", " ", text) if folded else text

    def _flow(self, text: str, line: _Line) -> Any:
        """JSON5 that may go on in deeper lines; a list of bare words is taken as well."""
        self._at += 1
        while True:
            try:
                return parse(text).plain()
            except Json5Error as error:
                more = self._lines[self._at] if self._at < len(self._lines) else ""
                closes = more.strip()[:1] in {"}", "]"}
                if more.strip() and (more[0] == " " or closes):
                    text += "\n" + more
                    self._at += 1
                    continue
                words = re.fullmatch(r"\[([^\[\]{}\"']*)\](?:\s+#.*)?", text)
                if words is None:
                    raise _wrong(line, f"begins JSON that cannot be read: {error}") from None
                return [one.strip() for one in words[1].split(",") if one.strip()]


def _scalar(text: str, line: _Line) -> Any:
    if text[0] in "\"'":
        return _quoted(text, line)
    text = text.strip()
    if text.startswith(_REFUSED):
        raise _wrong(line, f"begins its value with {text[0]!r}; put it in quotes")
    return _WORDS.get(text, text)


def _quoted(text: str, line: _Line) -> str:
    if text[0] == "'":
        match = re.fullmatch(r"'((?:[^']|'')*)'(?:\s+#.*)?", text)
        if match is None:
            raise _wrong(line, "has a quote that is not closed on its line")
        return match[1].replace("''", "'")
    match = re.fullmatch(r'("(?:[^"\\]|\\.)*")(?:\s+#.*)?', text)
    try:
        value = parse(match[1]).plain() if match else None
    except Json5Error:
        value = None
    if not isinstance(value, str):
        raise _wrong(line, "has a quoted value that cannot be read")
    return value


def _wrong(line: _Line, what: str) -> FrontMatterError:
    return FrontMatterError(f"line {line.number} {what}")
