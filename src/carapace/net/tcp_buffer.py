"""What a connection received and nobody read yet, with a bound, and room for what it sends."""

from __future__ import annotations

import asyncio
from typing import Final, cast

__all__ = ["READ_AHEAD_BYTES", "Receiver"]

READ_AHEAD_BYTES: Final = 256 * 1024


class Receiver(asyncio.Protocol):
    """The loop's side of one connection. One task reads, one writes.

    Attributes:
        error: What broke the connection, if it broke.
        is_full: Whether the peer is slower than what was written.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.is_full = False
        self._data = bytearray()
        self._is_ended = False
        self._is_paused = False
        self._transport: asyncio.Transport | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    @property
    def has_more(self) -> bool:
        """Whether `read` would not wait: there is data, or the end."""
        return bool(self._data) or self._is_ended

    async def read(self, max_bytes: int, timeout_s: float | None) -> bytes:
        """What is there, waiting for it if need be; empty at the end.

        Raises:
            TimeoutError: Nothing came within `timeout_s`.
            OSError: The connection broke, and what came before is read.
        """
        if not self.has_more:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._reader
            finally:
                self._reader = None
        if not self._data and self.error is not None:
            raise OSError(str(self.error)) from self.error
        data = bytes(self._data[:max_bytes])
        del self._data[:max_bytes]
        self._resume()
        return data

    async def room(self, timeout_s: float | None) -> None:
        """Return once more may be written.

        Raises:
            TimeoutError: The peer took nothing within `timeout_s`.
            OSError: The connection is gone.
        """
        if self.is_full and not self._is_ended:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._writer
            finally:
                self._writer = None
        if self.error is not None:
            raise OSError(str(self.error)) from self.error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of `asyncio.Protocol`."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Of `asyncio.Protocol`."""
        self._data += data
        if len(self._data) >= READ_AHEAD_BYTES and not self._is_paused and self._transport:
            self._is_paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        """Of `asyncio.Protocol`; we may still write."""
        self._is_ended = True
        _wake(self._reader)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Of `asyncio.Protocol`."""
        self._is_ended = True
        self.error = exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        """Of `asyncio.Protocol`."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Of `asyncio.Protocol`."""
        self.is_full = False
        _wake(self._writer)

    def _resume(self) -> None:
        if not self._is_paused or len(self._data) >= READ_AHEAD_BYTES // 2:
            return
        self._is_paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
