"""Notices that another process changed the vault, as `cara token rotate` does.

One `stat` a second: a file notification would need a thread, and would miss network folders.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from carapace.clock import Clock

__all__ = ["watch_vault"]

_EVERY_S: Final = 1.0


async def watch_vault(path: Path, clock: Clock, on_change: Callable[[], Awaitable[None]]) -> None:
    """Call `on_change` after each change of the file at `path`; until cancelled.

    Args:
        path: The vault. It is replaced as a whole, so a change is a new inode or time.
        clock: The time.
        on_change: Must not raise.
    """
    seen = _stamp(path)
    while True:
        await clock.sleep(_EVERY_S)
        now = _stamp(path)
        if now is not None and now != seen:
            seen = now
            await on_change()


def _stamp(path: Path) -> tuple[int, int] | None:
    """What a replaced file has otherwise; None while it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
