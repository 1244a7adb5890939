"""The `Range` header: which part of a file is asked for. Pure.

Source: RFC 9110 sections 14.1 and 14.2.
"""

from __future__ import annotations

import re
from typing import Final

from carapace.value import Value

__all__ = ["Part", "Unsatisfiable", "parse_range"]

_ONE: Final = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII)


class Part(Value, frozen=True):
    """From `start` up to but not including `stop`."""

    start: int
    stop: int


class Unsatisfiable(Value, frozen=True):
    """Well written, but the file has no such part."""


def parse_range(header: str | None, size_bytes: int) -> Part | Unsatisfiable | None:
    """The one part that is asked for, or None for the whole file.

    More than one part, other units and what makes no sense count as not asked: that is allowed,
    and spares us bodies of many parts.

    Args:
        header: Its value, if there is one.
        size_bytes: Length of the file, at least 1.
    """
    found = _ONE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last so many bytes
        length = int(found[2])
        return Part(max(0, size_bytes - length), size_bytes) if length else Unsatisfiable()
    start = int(found[1])
    if start >= size_bytes:
        return Unsatisfiable()
    if not found[2]:
        return Part(start, size_bytes)
    last = int(found[2])
    return Part(start, min(last + 1, size_bytes)) if last >= start else None
