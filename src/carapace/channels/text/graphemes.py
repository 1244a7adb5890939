"""Where a text may be cut without tearing what a reader sees as one character.

The rules of UAX #29 that matter in chats, from the character data that Python carries: marks,
joiners, skin tones, flags, jamo, CR LF. Pure.
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["cut_before"]

_JOINER: Final = "\u200d"
_LOOK_BACK: Final = 64
"""Longest cluster that is kept whole; a family of joined emoji is about a dozen."""


def cut_before(text: str, position: int, floor: int) -> int:
    """The last place at or before `position`, and behind `floor`, that tears nothing.

    If there is none within reach, `position` itself: a cluster may be longer than a message.
    """
    lowest = max(floor, position - _LOOK_BACK)
    place = position
    while place > lowest and _is_torn(text, place):
        place -= 1
    return place if place > lowest else position


def _is_torn(text: str, place: int) -> bool:
    if place >= len(text):
        return False
    before, after = text[place - 1], text[place]
    if after < "\u0300" and before < "\u0300":
        return before == "\r" and after == "\n"
    return before == _JOINER or _extends(after) or _is_inside_flag(text, place)


def _extends(char: str) -> bool:
    return (
        unicodedata.category(char) in {"Mn", "Mc", "Me"}
        or char in {_JOINER, "\u200c"}
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # tags of regional flags
        or "\u1160" <= char <= "\u11ff"  # vowels and finals of decomposed Hangul
    )


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_inside_flag(text: str, place: int) -> bool:
    """Between the two letters of a flag: an odd number of them stands before."""
    if not _is_regional(text[place]):
        return False
    letters = 0
    while letters < _LOOK_BACK and place > letters and _is_regional(text[place - 1 - letters]):
        letters += 1
    return letters % 2 == 1
