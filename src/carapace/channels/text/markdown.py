"""Markdown as plain text, for services that show its marks as they are typed.

Marks go, words stay: nobody should read `**` in a chat, and nothing that was said may be lost.
Code keeps every character. Pure, and linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from carapace.channels.text.fences import find_fences

__all__ = ["to_plain"]

_HEADING: Final = re.compile(r"^[ ]{0,3}#{1,6}[ \t]+(\S.*)$")
_RULE: Final = re.compile(r"^[ ]{0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_BULLET: Final = re.compile(r"^([ \t]*)[*+](?=[ \t]+\S)")
_TOKEN: Final = re.compile(
    r"(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<code>`+)"
    r"|(?P<link>!?\[(?P<label>[^\[\]\n]{0,1000})\]\((?P<url>[^()\s<>]{1,4000})"
    r"(?:[ \t]+(?:\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'))?\))"
    r"|(?P<auto><(?P<address>(?:https?://|mailto:)[^<>\s]{1,4000})>)"
    r"|(?P<mark>\*{1,3}|_{1,3}|~~)"
)


def to_plain(text: str) -> str:
    """`text` without the marks of Markdown.

    Links become `label (address)`, pictures their description and address; a list keeps its
    dashes, a quotation its arrows.
    """
    out: list[str] = []
    position = 0
    for fence in find_fences(text):
        out.append(_plain_words(text[position : fence.start]))
        code = text[fence.body_start : fence.body_end]
        out.append(code.removesuffix("\n"))
        position = fence.end
    out.append(_plain_words(text[position:]))
    return "".join(out)


def _plain_words(text: str) -> str:
    return "\n".join(_plain_line(line) for line in text.split("\n"))


def _plain_line(line: str) -> str:
    if _RULE.fullmatch(line):
        return "---"
    if (heading := _HEADING.fullmatch(line)) is not None:
        line = _without_closing(heading[1].rstrip())
    return _inline(_BULLET.sub(r"\1-", line))


def _without_closing(heading: str) -> str:
    words = heading.rstrip("#")
    return words.rstrip() if words.endswith((" ", "\t")) else heading


def _inline(line: str) -> str:
    parts: list[str] = []
    marks: list[_Mark] = []
    for kind, value, start, end in _tokens(line):
        if kind == "mark":
            marks.append(_Mark(len(parts), value, line, start, end))
        parts.append(value)
    for index in _paired(marks):
        parts[index] = ""
    return "".join(parts)


def _tokens(line: str) -> Iterator[tuple[str, str, int, int]]:
    """The line as plain words, and the marks of emphasis that may go."""
    position = 0
    never_closed: set[str] = set()
    while (found := _TOKEN.search(line, position)) is not None:
        yield "words", line[position : found.start()], position, found.start()
        kind = str(found.lastgroup)
        start, position = found.span()
        if kind == "code":
            words, position = _code_span(line, found, never_closed)
            yield "words", words, start, position
        elif kind == "mark":
            yield "mark", found[0], start, position
        else:
            yield "words", _words_of(kind, found), start, position
    yield "words", line[position:], position, len(line)


def _code_span(line: str, opening: re.Match[str], never_closed: set[str]) -> tuple[str, int]:
    """What stands in backticks; the backticks themselves if they are never closed."""
    marks, start = opening[0], opening.end()
    if marks in never_closed:
        return marks, start
    closing = re.compile(rf"(?<!`){marks}(?!`)").search(line, start)
    if closing is None:
        never_closed.add(marks)
        return marks, start
    inner = line[start : closing.start()]
    if inner.strip() and inner[0] == inner[-1] == " ":
        inner = inner[1:-1]
    return inner, closing.end()


def _words_of(kind: str, found: re.Match[str]) -> str:
    if kind == "escape":
        return found[0][1]
    if kind == "auto":
        return str(found["address"]).removeprefix("mailto:")
    label, url = _inline(str(found["label"])), str(found["url"])
    return url if label in {"", url, url.removeprefix("mailto:")} else f"{label} ({url})"


class _Mark:
    """A run of `*`, `_` or `~~`, and whether it can open or close (CommonMark 0.31, 6.2)."""

    __slots__ = ("can_close", "can_open", "index", "text")

    def __init__(self, index: int, text: str, line: str, start: int, end: int) -> None:
        before = line[start - 1] if start else " "
        after = line[end] if end < len(line) else " "
        inside_word = text[0] == "_" and before.isalnum() and after.isalnum()
        self.index = index
        self.text = text
        self.can_open = not after.isspace() and not inside_word
        self.can_close = not before.isspace() and not inside_word


def _paired(marks: list[_Mark]) -> Iterator[int]:
    """The marks that have a partner; what was opened in between and not closed stays."""
    open_at: dict[str, list[int]] = {}
    opened: list[_Mark] = []
    for mark in marks:
        places = open_at.get(mark.text, [])
        if mark.can_close and places:
            place = places[-1]
            yield opened[place].index
            yield mark.index
            for gone in opened[place:]:
                open_at[gone.text].pop()
            del opened[place:]
        elif mark.can_open:
            open_at.setdefault(mark.text, []).append(len(opened))
            opened.append(mark)
