"""Turns: sockets that have more to do than fits in one go, served one after the other.

A flood on a hundred sockets must not fill a pass of the event loop: between two passes new
clients are accepted, one at a time, and everybody else's single requests are read. So all
sockets that are behind share a small budget for each pass.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Turns"]

_PER_PASS: Final = 8


class Turns:
    """A queue of short pieces of work; a pass of the loop does at most eight of them."""

    __slots__ = ("_is_due", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_due = False

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, work: Callable[[], None]) -> None:
        """Call `work` when its turn comes; it may ask again. Bounded by one for each socket."""
        self._waiting.append(work)
        self._call_soon()

    def _pass(self) -> None:
        self._is_due = False
        try:
            for _ in range(min(_PER_PASS, len(self._waiting))):
                self._waiting.popleft()()
        finally:
            if self._waiting:
                self._call_soon()

    def _call_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._pass)
