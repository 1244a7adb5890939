"""Keeps the C library from holding memory that Python freed.

glibc keeps freed pages for later: in a heap for each thread, and larger and larger blocks of
them as it learns what is asked for. A gateway would grow for days, and one that once served a
thousand clients would look as large for good (ADR 0442). Other C libraries do that by
themselves or not at all.

Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final

from carapace.clock import Clock

__all__ = ["CROWD", "EVERY_S", "give_back", "is_over", "keep_small", "watch"]

CROWD: Final = 100
EVERY_S: Final = 60.0
_LOOK_S: Final = 2.0
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_WANTED: Final = (
    # The interpreter lets one thread at a time ask for memory anyway.
    (_ARENA_MAX, 1),
    # Set at all, it no longer grows: whatever is larger goes back as soon as it is freed.
    (_MMAP_THRESHOLD, 256 * 1024),
    (_TRIM_THRESHOLD, 512 * 1024),
)


def is_over(peak: int, now: int) -> bool:
    """Whether a crowd was here and has left: at least `CROWD` went, and less than half stayed."""
    return peak - now >= CROWD and now * 2 < peak


def keep_small() -> bool:
    """Set the C library's allocator; call it before the first thread starts.

    Returns:
        False if the C library has no call for that.
    """
    mallopt = _glibc("mallopt")
    return mallopt is not None and all(mallopt(name, value) for name, value in _WANTED)


def give_back() -> bool:
    """Hand free pages to the system; False if the C library has no call for that."""
    trim = _glibc("malloc_trim")
    if trim is None:
        return False
    trim(0)
    return True


def _glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library, if this one has it."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)


async def watch(
    connections: Callable[[], int], clock: Clock, release: Callable[[], object] = give_back
) -> None:
    """Call `release` in a thread every minute, and after each crowd; until cancelled.

    A burst leaves free pages all over the heap: what waited for slow clients, a long
    conversation that was summarised. The heap alone gives back only its end.

    Args:
        connections: How many clients are connected.
        clock: The time.
        release: Gives memory back; may take some milliseconds.
    """
    peak, released_s = 0, clock.monotonic()
    while True:
        await clock.sleep(_LOOK_S)
        now = connections()
        if is_over(peak, now) or clock.monotonic() - released_s >= EVERY_S:
            await asyncio.to_thread(release)
            peak, released_s = now, clock.monotonic()
        peak = max(peak, now)
