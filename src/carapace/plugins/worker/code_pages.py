"""Hands back pages of a library's code that only loading touched.

The engine is some twenty megabytes of code, and looking at a component walks through parts of it
that no call comes to again; the kernel counts their pages as memory of this process for as long
as it lives. Code is never written, so its pages can be dropped, and what is called is mapped
again (ADR 0570).

Source: madvise(2), proc_pid_maps(5).
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Final

__all__ = ["ENGINE", "code_ranges", "give_back"]

ENGINE: Final = "_libwasmtime"
_CODE: Final = "r-xp"
_DONTNEED: Final = 4
_MAPS: Final = Path("/proc/self/maps")


def code_ranges(maps: str, library: str) -> list[tuple[int, int]]:
    """Where the code of a library lies: start and end of each mapping, in bytes.

    Code alone: what is mapped beside it holds addresses that were filled in while loading, and
    would come back without them.

    Args:
        maps: What `/proc/PID/maps` says.
        library: Part of the file's name.
    """
    ranges: list[tuple[int, int]] = []
    for line in maps.splitlines():
        place, kind, _, _, _, *path = line.split(maxsplit=5)
        if kind == _CODE and path and library in path[0].rpartition("/")[2]:
            start, end = place.split("-")
            ranges.append((int(start, 16), int(end, 16)))
    return ranges


def give_back(library: str = ENGINE) -> bool:
    """Drop the pages of its code; False if there is none, or the system has no such thing."""
    try:
        ranges = code_ranges(_MAPS.read_text(encoding="utf-8", errors="replace"), library)
    except OSError:
        return False
    if not ranges:
        return False
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return all(advise(start, end - start, _DONTNEED) == 0 for start, end in ranges)
