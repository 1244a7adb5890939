"""Caps on a response body while it streams: bytes on the wire, bytes after decompression, time.

The gateway asks for gzip or deflate only and inflates here in small pieces, so that a body of
a few kilobytes cannot become gigabytes inside a library.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2

__all__ = ["ACCEPT_ENCODING", "BodyTooLarge", "Inflater", "LimitedStream", "Meter"]

ACCEPT_ENCODING = "gzip, deflate"
_PIECE_BYTES = 64 * 1024
_ZLIB_HEADER_METHOD = 8  # RFC 1950 section 2.2: CM, lower four bits of the first byte


class BodyTooLarge(httpx2.ReadError):
    """The peer sent more than the policy takes; the connection is closed."""


class Meter:
    """Counts bytes up to a cap. Pure."""

    __slots__ = ("_max_bytes", "_what", "total_bytes")

    def __init__(self, max_bytes: int, what: str) -> None:
        self._max_bytes = max_bytes
        self._what = what
        self.total_bytes = 0

    def add(self, n_bytes: int) -> None:
        """Count `n_bytes` more.

        Raises:
            BodyTooLarge: If that passes the cap.
        """
        self.total_bytes += n_bytes
        if self.total_bytes > self._max_bytes:
            raise BodyTooLarge(f"the response {self._what} is larger than {self._max_bytes} bytes")


class Inflater:
    """Undoes one content coding piece by piece. Pure.

    Args:
        coding: `identity`, `gzip`, `x-gzip` or `deflate`, lower case.

    Raises:
        httpx2.DecodingError: If the coding is another one, since it was not asked for.
    """

    __slots__ = ("_coding", "_zlib")

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._zlib = None
        if coding in {"gzip", "x-gzip"}:
            self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif coding not in {"", "identity", "deflate"}:
            raise httpx2.DecodingError(
                f"the response is coded as {coding!r}, which was not asked for"
            )

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded form of `data` in pieces of at most 64 KiB.

        Raises:
            httpx2.DecodingError: If it is broken.
        """
        if self._zlib is None:
            if self._coding != "deflate":
                yield data
                return
            self._zlib = zlib.decompressobj(_deflate_bits(data))
        try:
            while data and not self._zlib.eof:
                if piece := self._zlib.decompress(data, _PIECE_BYTES):
                    yield piece
                data = self._zlib.unconsumed_tail
        except zlib.error as error:
            raise httpx2.DecodingError(f"the response is broken: {error}") from error

    def finish(self) -> None:
        """Check that the coded body ended where it should.

        Raises:
            httpx2.DecodingError: If it was cut short.
        """
        if self._zlib is not None and not self._zlib.eof:
            raise httpx2.DecodingError("the response ended before its compressed data did")


def _deflate_bits(data: bytes) -> int:
    """Servers send zlib (RFC 1950) or raw deflate (RFC 1951) under the same name."""
    is_zlib = bool(data) and data[0] & 0x0F == _ZLIB_HEADER_METHOD
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


class LimitedStream(httpx2.AsyncByteStream):
    """A response body under its caps.

    Args:
        stream: Body as it comes over the wire.
        coding: Its one content coding.
        max_wire_bytes: Cap before decoding.
        max_decoded_bytes: Cap after decoding.
        deadline: Time on the loop's clock when the whole body must be here, or None.
    """

    def __init__(
        self,
        stream: httpx2.AsyncByteStream,
        *,
        coding: str,
        max_wire_bytes: int,
        max_decoded_bytes: int,
        deadline: float | None,
    ) -> None:
        self._stream = stream
        self._inflater = Inflater(coding)
        self._wire = Meter(max_wire_bytes, "body")
        self._decoded = Meter(max_decoded_bytes, "body after decompression")
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._stream.__aiter__()
        while (data := await self._next(pieces)) is not None:
            self._wire.add(len(data))
            for piece in self._inflater.feed(data):
                self._decoded.add(len(piece))
                yield piece
                # A bomb is inflated without waiting for the wire; others get their turn.
                await asyncio.sleep(0)
        if self._wire.total_bytes:
            self._inflater.finish()

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(pieces, None)
        except TimeoutError as error:
            raise httpx2.ReadTimeout("the response took longer than its deadline") from error

    async def aclose(self) -> None:
        """Let the connection go; a body that was not read to its end closes it."""
        await self._stream.aclose()
