"""Gives memory back to the system after a crowd of clients has left.

Python frees what connections needed, but the C library keeps the pages for the next ones: a
gateway that once served a thousand clients would look as large for good. glibc has a call that
hands free pages back; other C libraries do that by themselves or not at all.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final

from carapace.clock import Clock

__all__ = ["CROWD", "give_back", "is_over", "watch_crowds"]

CROWD: Final = 100
_EVERY_S: Final = 2.0


def is_over(peak: int, now: int) -> bool:
    """Whether a crowd was here and has left: at least `CROWD` went, and less than half stayed."""
    return peak - now >= CROWD and now * 2 < peak


def give_back() -> bool:
    """Hand free pages to the system; False if the C library has no call for that."""
    if sys.platform != "linux":
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True


async def watch_crowds(
    connections: Callable[[], int], clock: Clock, release: Callable[[], object] = give_back
) -> None:
    """Call `release` in a thread after each crowd; until cancelled.

    Args:
        connections: How many clients are connected.
        clock: The time.
        release: Gives memory back; may take some milliseconds.
    """
    peak = 0
    while True:
        await clock.sleep(_EVERY_S)
        now = connections()
        if is_over(peak, now):
            await asyncio.to_thread(release)
            peak = now
        peak = max(peak, now)
