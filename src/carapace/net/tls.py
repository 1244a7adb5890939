"""TLS over any stream, so that a tunnel through a proxy that speaks TLS itself works as well.

Source: https://docs.python.org/3/library/ssl.html#memory-bio-support
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final, Self

import httpcore2

__all__ = ["TlsStream"]

_RECORDS_BYTES: Final = 64 * 1024


class TlsStream(httpcore2.AsyncNetworkStream):
    """An encrypted connection; make one with `over`."""

    def __init__(
        self, inner: httpcore2.AsyncNetworkStream, context: ssl.SSLContext, hostname: str | None
    ) -> None:
        self._inner = inner
        self._coming = ssl.MemoryBIO()
        self._going = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._coming, self._going, server_hostname=hostname)

    @classmethod
    async def over(
        cls,
        inner: httpcore2.AsyncNetworkStream,
        context: ssl.SSLContext,
        hostname: str | None,
        timeout_s: float | None,
    ) -> Self:
        """Shake hands over `inner`, which is closed if that fails.

        Args:
            inner: An open stream.
            context: Trust.
            hostname: Whose certificate it must be.
            timeout_s: For the whole handshake.

        Raises:
            httpcore2.ConnectError: The certificate is not trusted, or the peer speaks no TLS.
            httpcore2.ConnectTimeout: It took too long.
        """
        stream = cls(inner, context, hostname)
        try:
            async with asyncio.timeout(timeout_s):
                await stream._shake_hands()
        except TimeoutError as error:
            await inner.aclose()
            raise httpcore2.ConnectTimeout("no TLS in time") from error
        except (ssl.SSLError, ssl.CertificateError, httpcore2.NetworkError) as error:
            await inner.aclose()
            raise httpcore2.ConnectError(str(error)) from error
        except BaseException:
            await inner.aclose()
            raise
        return stream

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
    ) -> bytes:
        """As of `TcpStream`. An end without goodbye is an end: HTTP has lengths of its own."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return self._tls.read(max_bytes)
                    except ssl.SSLWantReadError:
                        await self._send(None)
                        await self._receive()
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except TimeoutError as error:
            raise httpcore2.ReadTimeout("nothing came in time") from error
        except ssl.SSLError as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
    ) -> None:
        """As of `TcpStream`."""
        if not buffer:
            return
        try:
            self._tls.write(buffer)
        except ssl.SSLError as error:
            raise httpcore2.WriteError(str(error)) from error
        await self._send(timeout)

    async def aclose(self) -> None:
        """Hang up."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
    ) -> httpcore2.AsyncNetworkStream:
        """TLS within TLS: the far end of a tunnel through a proxy that speaks TLS."""
        return await TlsStream.over(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, and all that the stream below knows."""
        return self._tls if info == "ssl_object" else self._inner.get_extra_info(info)

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send(None)
                await self._receive()
            except ssl.SSLError:
                await self._send(None)  # the alert, so that the peer learns why
                raise
            else:
                return await self._send(None)

    async def _send(self, timeout_s: float | None) -> None:
        if data := self._going.read():
            await self._inner.write(data, timeout_s)

    async def _receive(self) -> None:
        if data := await self._inner.read(_RECORDS_BYTES):
            self._coming.write(data)
        else:
            self._coming.write_eof()
