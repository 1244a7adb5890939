"""Where the fenced code blocks of a Markdown text are (CommonMark 0.31, section 4.5).

A list item may push its block far to the right, so any indentation is taken; the closing line
may stand at most three columns further in than the opening one. Pure, and linear in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from carapace.value import Value

__all__ = ["Fence", "fence_around", "find_fences"]

_OPENING: Final = re.compile(r"^([ \t]*)(`{3,}(?=[^`\n]*$)|~{3,})([^\n]*)$", re.MULTILINE)
_CLOSER_INDENT: Final = 3


class Fence(Value, frozen=True):
    """One code block; positions count in characters of the text.

    Attributes:
        start: First character of the opening line.
        body_start: First character of the code.
        body_end: First character of the closing line; the text's end if there is none.
        end: Just behind the closing line, its line break not included.
        indent: What stands before the marks.
        marks: The backticks or tildes that opened it.
        info: What follows them, trimmed.
    """

    start: int
    body_start: int
    body_end: int
    end: int
    indent: str
    marks: str
    info: str

    @property
    def is_closed(self) -> bool:
        """Whether a closing line was found."""
        return self.body_end < self.end

    def opening(self, *, with_info: bool = True) -> str:
        """A line that opens it anew."""
        return f"{self.indent}{self.marks}{self.info if with_info else ''}\n"

    def closing(self) -> str:
        """A line that closes it early."""
        return f"\n{self.indent}{self.marks}"


def find_fences(text: str) -> list[Fence]:
    """All code blocks of `text`, in order; one that is never closed reaches to the end."""
    found: list[Fence] = []
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        fence = _fence_at(text, opening)
        found.append(fence)
        position = fence.end
        if not fence.is_closed:
            break
    return found


def _fence_at(text: str, opening: re.Match[str]) -> Fence:
    indent, marks = opening[1], opening[2]
    body_start = min(opening.end() + 1, len(text))
    closing = re.compile(
        rf"^[ \t]{{0,{len(indent) + _CLOSER_INDENT}}}{re.escape(marks)}{marks[0]}*[ \t]*$",
        re.MULTILINE,
    ).search(text, body_start)
    return Fence(
        start=opening.start(),
        body_start=body_start,
        body_end=len(text) if closing is None else closing.start(),
        end=len(text) if closing is None else closing.end(),
        indent=indent,
        marks=marks,
        info=opening[3].strip(),
    )


def fence_around(fences: Sequence[Fence], position: int) -> Fence | None:
    """The block in which a cut before `position` would lie, or None."""
    index = bisect_left(fences, position, key=lambda fence: fence.start) - 1
    if index >= 0 and position < fences[index].end:
        return fences[index]
    return None
