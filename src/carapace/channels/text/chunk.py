"""A long text as messages that the service takes, cut where a reader expects it.

Cuts are looked for in this order: the end of a paragraph, of a line, of a sentence, of a word;
the first three not in the first third of what fits, so that no message is needlessly short.
A code block that fits into one message is not cut. One that does not is closed where it is cut
and opened again, with the same language, in the next message. Nothing else is added, and nothing
but the white space at a cut is dropped. Pure, and linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from carapace.channels.text.fences import Fence, fence_around, find_fences
from carapace.channels.text.graphemes import cut_before
from carapace.channels.types import LengthUnit
from carapace.config.settings.channels import ChunkMode
from carapace.value import Value

__all__ = ["SMALLEST_LIMIT", "Piece", "measure", "pieces", "split"]

SMALLEST_LIMIT: Final = 4
"""One character of UTF-8 has up to four bytes."""

_LEAST_CODE: Final = 8
"""A cut block is not worth its marks for less."""

_PARAGRAPH: Final = re.compile(r"\n(?=[^\S\n]*\n)")
_SENTENCE: Final = re.compile(r"[.!?\u2026][\"'\u2019\u201d)\]]*(?=\s)|[\u3002\uff01\uff1f]")
_GAP: Final = re.compile(r"[^\S\n]*(?:\n(?:[^\S\n]*\n)*)?")
_BLANK_LINES: Final = re.compile(r"\n(?:[^\S\n]*\n)+")


class Piece(Value, frozen=True):
    """One message: `head`, then the text from `start` to `end`, then `tail`.

    Head and tail are empty unless a code block is cut there.
    """

    start: int
    end: int
    head: str = ""
    tail: str = ""

    def of(self, text: str) -> str:
        """The words of this piece."""
        return f"{self.head}{text[self.start : self.end]}{self.tail}"


def split(text: str, limit: int, unit: LengthUnit, mode: ChunkMode = "length") -> list[str]:
    """`text` as messages of at most `limit`.

    Args:
        text: Markdown or plain.
        limit: Longest message in `unit`, at least `SMALLEST_LIMIT`.
        unit: In what the service counts.
        mode: `length` cuts only what is too long; `newline` gives every paragraph a message of
            its own.

    Raises:
        ValueError: If the limit is too small.
    """
    if limit < SMALLEST_LIMIT:
        raise ValueError(f"a limit of {limit} cannot hold every character")
    if not text.strip():
        return []
    if mode == "length" and measure(text, unit) <= limit:
        return [text]
    return [piece.of(text) for piece in pieces(text, limit, unit, mode)]


def pieces(text: str, limit: int, unit: LengthUnit, mode: ChunkMode = "length") -> Iterator[Piece]:
    """The cuts behind `split`: in order, not overlapping, with nothing but white space between.

    A code block's own closing line also falls between when the block was closed just before it.
    """
    fences = find_fences(text)
    cutter = _Cutter(text, limit, unit, fences)
    for start, end in _sections(text, fences) if mode == "newline" else [(0, len(text))]:
        yield from cutter.cut(start, end)


def measure(text: str, unit: LengthUnit) -> int:
    """How long the service takes `text` to be."""
    if unit is LengthUnit.CHARACTERS or text.isascii():
        return len(text)
    if unit is LengthUnit.UTF16:
        return len(text) + sum(char > "\uffff" for char in text)
    return len(text.encode("utf-8", "surrogatepass"))


def _sections(text: str, fences: Sequence[Fence]) -> Iterator[tuple[int, int]]:
    """Paragraphs; blank lines in a code block do not end one."""
    start = 0
    for gap in _BLANK_LINES.finditer(text):
        if fence_around(fences, gap.start()) is None:
            yield start, gap.start()
            start = gap.end()
    yield start, len(text)


def _width(char: str, unit: LengthUnit) -> int:
    if unit is LengthUnit.UTF16:
        return 2 if char > "\uffff" else 1
    return 1 + (char > "\x7f") + (char > "\u07ff") + (char > "\uffff")


class _Cutter:
    """Finds the cuts in one text."""

    __slots__ = ("_fences", "_limit", "_text", "_unit")

    def __init__(self, text: str, limit: int, unit: LengthUnit, fences: Sequence[Fence]) -> None:
        self._text = text
        self._limit = limit
        self._unit = unit
        self._fences = fences

    def cut(self, start: int, end: int) -> Iterator[Piece]:
        """The pieces of one section."""
        while start < end:
            piece, start = self._next(start, end)
            if not self._text[piece.start : piece.end].isspace() and piece.start < piece.end:
                yield piece

    def _next(self, start: int, end: int) -> tuple[Piece, int]:
        """One piece from `start`, and where the following one begins."""
        inside = fence_around(self._fences, start)
        head, tail = self._repair(inside)
        reach = self._reach(start, end, self._limit - self._length(head))
        if reach >= end:
            return Piece(start, end, head), end
        fence = fence_around(self._fences, reach)
        if fence is not None and fence is not inside:
            if self._is_better_before(fence, start, reach):
                return self._piece(start, fence.start, head)
            # The block begins in this piece and is cut in it.
            tail = self._repair(fence)[1]
        if fence is None or not tail:
            return self._outside(start, reach, head)
        return self._within(fence, start, head, tail)

    def _is_better_before(self, fence: Fence, start: int, reach: int) -> bool:
        """Whether to cut before a block that does not fit behind what stands before it."""
        if not self._text[start : fence.start].strip():
            return False
        is_small = self._reach(fence.start, fence.end, self._limit) >= fence.end
        has_line = self._text.find("\n", fence.body_start, reach) >= 0
        return is_small or not has_line or fence.start - start >= (reach - start) // 2

    def _within(self, fence: Fence, start: int, head: str, tail: str) -> tuple[Piece, int]:
        """Cut in the code: at the end of a line if there is one, and close the block."""
        code = max(start, fence.body_start)
        room = self._limit - self._length(head) - self._length(tail)
        reach = self._reach(start, fence.body_end, room)
        if reach <= code:
            # The opening line is all that would fit.
            if self._text[start : fence.start].strip():
                return self._piece(start, fence.start, head)
            return self._outside(start, self._reach(start, fence.end, self._limit), "")
        line_end = self._text.rfind("\n", code, reach + 1)
        if line_end > code:
            is_all = line_end + 1 >= fence.body_end
            following = self._behind_gap(fence.end) if is_all else line_end + 1
            return Piece(start, line_end, head, tail), following
        place = cut_before(self._text, reach, code)
        return Piece(start, place, head, tail), place

    def _outside(self, start: int, reach: int, head: str) -> tuple[Piece, int]:
        """Cut in plain words."""
        place = self._best(start, reach)
        return self._piece(start, place, head)

    def _piece(self, start: int, place: int, head: str) -> tuple[Piece, int]:
        end = start + len(self._text[start:place].rstrip())
        return Piece(start, end, head), max(place, self._behind_gap(end))

    def _behind_gap(self, place: int) -> int:
        gap = _GAP.match(self._text, place)
        return place if gap is None else gap.end()

    def _best(self, start: int, reach: int) -> int:
        low = start + (reach - start) // 3
        for pattern in (_PARAGRAPH, None, _SENTENCE):
            place = self._last(pattern, low, reach)
            if place > low:
                return place
        for place in range(reach, start, -1):
            if self._text[place].isspace() and fence_around(self._fences, place) is None:
                return place
        return cut_before(self._text, reach, start)

    def _last(self, pattern: re.Pattern[str] | None, low: int, high: int) -> int:
        """The last place in (low, high] that ends what `pattern` means; a line if None."""
        if pattern is None:
            places = [self._text.rfind("\n", low, high + 1)]
        elif pattern is _PARAGRAPH:
            places = [found.start() for found in pattern.finditer(self._text, low, high + 2)]
        else:
            places = [found.end() for found in pattern.finditer(self._text, low, high + 1)]
        for place in reversed(places):
            if low < place <= high and fence_around(self._fences, place) is None:
                return place
        return low

    def _repair(self, fence: Fence | None) -> tuple[str, str]:
        """How a cut block is opened again and closed; nothing if that leaves no room for it."""
        if fence is None:
            return "", ""
        tail = fence.closing()
        for head, least in (
            (fence.opening(), self._limit // 2),
            (fence.opening(with_info=False), _LEAST_CODE),
        ):
            if self._limit - self._length(head) - self._length(tail) >= least:
                return head, tail
        return "", ""

    def _reach(self, start: int, end: int, room: int) -> int:
        """How far a message of `room` gets from `start`; one character at least."""
        furthest = min(end, start + max(room, 1))
        if self._unit is LengthUnit.CHARACTERS or self._text[start:furthest].isascii():
            return furthest
        for place, char in enumerate(self._text[start:furthest], start):
            room -= _width(char, self._unit)
            if room < 0:
                return max(place, start + 1)
        return furthest

    def _length(self, text: str) -> int:
        return measure(text, self._unit)
