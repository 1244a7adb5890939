"""A stored file that is open for reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from carapace.errors import Failed
from carapace.media.files import OpenFile
from carapace.media.types import MediaItem

__all__ = ["PIECE_BYTES", "MediaReader", "unreadable"]

PIECE_BYTES: Final = 256 * 1024
"""How much of a file is in memory at once."""


def unreadable(error: OSError) -> Failed:
    """What a person is told when the disk does not give a file back."""
    return Failed(
        f"a stored file cannot be read ({error.strerror}): check the disk and the rights of the "
        "media folder"
    )


class MediaReader:
    """A stored file that is open; it can be read even after it was swept.

    Attributes:
        item: What it is.
    """

    def __init__(self, item: MediaItem, file: OpenFile) -> None:
        self.item = item
        self._file = file

    def fileno(self) -> int:
        """The descriptor, for a child process to inherit."""
        return self._file.fileno()

    async def read(self, offset: int, n_bytes: int) -> bytes:
        """At most `n_bytes` from `offset`; empty at the end.

        Raises:
            Failed: If the disk fails.
        """
        try:
            return await asyncio.to_thread(self._file.read, offset, n_bytes)
        except OSError as error:
            raise unreadable(error) from error

    async def pieces(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes from `start` up to but not including `stop`, in pieces of 256 KiB.

        Raises:
            Failed: If the disk fails, or the file is shorter than it was.
        """
        end = self.item.size_bytes if stop is None else min(stop, self.item.size_bytes)
        while start < end:
            piece = await self.read(start, min(PIECE_BYTES, end - start))
            if not piece:
                raise Failed("a stored file was cut short: restore it from a backup, or send it")
            start += len(piece)
            yield piece
