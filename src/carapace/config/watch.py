"""Notices that a configuration file changed, however it was written.

Folders are watched, not files, so that an atomic replace, a deleted file that comes back and
a swapped symbolic link are all seen. What woke us is only a hint; whether anything really
changed is decided by looking at the files.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import Protocol

from carapace.clock import Clock

__all__ = ["FileSignals", "Signals", "Signature", "signature", "watch"]

Signature = tuple[tuple[int, int, int] | None, ...]


class Signals(Protocol):
    """A source of hints that something in a folder changed."""

    def listen(self, folders: Iterable[Path]) -> AsyncGenerator[None, None]:
        """Yields after each burst of changes, until it is closed."""
        ...


def signature(paths: Iterable[Path]) -> Signature:
    """What tells one state of the files from another: device file number, size, time."""
    return tuple(_one(path) for path in sorted(paths))


def _one(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class FileSignals:
    """Hints from the operating system, through watchfiles.

    Args:
        poll_s: A hint is also given this often without any change, for file systems that
            report none (network shares, some container mounts).
    """

    __slots__ = ("_poll_ms",)

    def __init__(self, poll_s: int = 5) -> None:
        self._poll_ms = poll_s * 1000

    async def listen(self, folders: Iterable[Path]) -> AsyncGenerator[None, None]:
        """See `Signals.listen`."""
        import watchfiles  # noqa: PLC0415 - costs a start 20 ms; nothing watches before it listens

        stop = asyncio.Event()
        source = watchfiles.awatch(  # pyright: ignore[reportUnknownMemberType] - its stop_event names a library without types
            *folders,
            watch_filter=None,
            debounce=50,
            rust_timeout=self._poll_ms,
            yield_on_timeout=True,
            recursive=False,
            stop_event=stop,
        )
        try:
            async for _ in source:
                yield None
        finally:
            stop.set()
            await source.aclose()


async def watch(
    wanted: Callable[[], frozenset[Path]],
    changed: Callable[[], object],
    *,
    signals: Signals,
    clock: Clock,
    debounce_s: Callable[[], float],
) -> None:
    """Call `changed` after each change of the wanted files; runs until it is cancelled.

    Args:
        wanted: The files that matter now; asked again after each change.
        changed: Reads them again; must not raise.
        signals: Where hints come from.
        clock: For the quiet time.
        debounce_s: Quiet time after the last change before `changed` is called, in seconds.
    """
    seen = signature(wanted())
    while True:
        folders = _folders(wanted())
        async with contextlib.aclosing(signals.listen(folders)) as hints:
            async for _ in hints:
                now = signature(wanted())
                if now == seen:
                    continue
                seen = await _settle(wanted, now, clock, debounce_s())
                changed()
                now = signature(wanted())
                seen = now if len(now) != len(seen) else seen
                if _folders(wanted()) != folders:
                    break


async def _settle(
    wanted: Callable[[], frozenset[Path]], seen: Signature, clock: Clock, quiet_s: float
) -> Signature:
    """Wait until the files rest for `quiet_s`; at most ten times that."""
    for _ in range(10):
        await clock.sleep(quiet_s)
        now = signature(wanted())
        if now == seen:
            break
        seen = now
    return seen


def _folders(paths: Iterable[Path]) -> frozenset[Path]:
    """The folders to watch: each file's own, or the nearest one above that exists."""
    return frozenset(next(p for p in path.parents if p.is_dir()) for path in paths)
