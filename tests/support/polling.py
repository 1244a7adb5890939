"""Wait for something that no event tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(check: Callable[[], object], *, deadline_s: float = 5.0) -> None:
    """Return as soon as `check` is true; fail if it is not in time."""
    async with asyncio.timeout(deadline_s):
        while not check():  # noqa: ASYNC110 - sockets close without an event of ours
            await asyncio.sleep(0.001)
