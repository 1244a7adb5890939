"""Connections for the HTTP library, straight on the event loop.

httpcore2's own backend takes each read and write through a second library, with a cancel scope,
a checkpoint and a system call each; at two requests for each message that passes, that was
among the dearest things a message costs (ADR 0440). Here a read takes what the loop received
already, and small writes of one turn of the loop leave together.

Source: https://docs.python.org/3/library/asyncio-protocol.html
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final, cast

import httpcore2

from carapace.net.tcp_buffer import Receiver
from carapace.net.tls import TlsStream

__all__ = ["TcpBackend", "TcpStream"]

_GATHERED_BYTES: Final = 64 * 1024


class TcpBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to literal addresses, and to sockets of this machine."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to `host`.

        Raises:
            httpcore2.ConnectError: Nobody answers there.
            httpcore2.ConnectTimeout: Nobody did within `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        local = (local_address, 0) if local_address is not None else None
        with _connecting():
            async with asyncio.timeout(timeout):
                made = await loop.create_connection(Receiver, host, port, local_addr=local)
        return _stream(*made, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to a socket of this machine; fails as `connect_tcp` does."""
        loop = asyncio.get_running_loop()
        with _connecting():
            async with asyncio.timeout(timeout):
                made = await loop.create_unix_connection(Receiver, path)
        return _stream(*made, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore2 does between its retries."""
        await asyncio.sleep(seconds)


class TcpStream(httpcore2.AsyncNetworkStream):
    """One connection in clear text.

    Writes that follow each other without waiting (the head of a request and its body) are one
    write to the network: they leave at the next read, or when the loop comes around.

    Args:
        transport: Of the loop.
        receiver: Its protocol.
    """

    def __init__(self, transport: asyncio.Transport, receiver: Receiver) -> None:
        self._transport = transport
        self._receiver = receiver
        self._gathered = bytearray()

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
    ) -> bytes:
        """What is there, at most `max_bytes`; empty at the end.

        Raises:
            httpcore2.ReadError: The connection broke.
            httpcore2.ReadTimeout: Nothing came within `timeout` seconds.
        """
        self._flush()
        try:
            return await self._receiver.read(max_bytes, timeout)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout("nothing came in time") from error
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
    ) -> None:
        """Send `buffer`; returns once the loop has room for more.

        Raises:
            httpcore2.WriteError: The connection is closed.
            httpcore2.WriteTimeout: The peer took nothing for `timeout` seconds.
        """
        if self._transport.is_closing():
            error = self._receiver.error or "the connection is closed"
            raise httpcore2.WriteError(str(error))
        if buffer and not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush)
        self._gathered += buffer
        if len(self._gathered) < _GATHERED_BYTES and not self._receiver.is_full:
            return
        self._flush()
        try:
            await self._receiver.room(timeout)
        except TimeoutError as error:
            raise httpcore2.WriteTimeout("the peer takes nothing") from error
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    def _flush(self) -> None:
        if self._gathered and not self._transport.is_closing():
            self._transport.write(bytes(self._gathered))
        self._gathered.clear()

    async def aclose(self) -> None:
        """Hang up; what the loop still holds is not waited for."""
        self._flush()
        self._transport.close()
        await asyncio.sleep(0)
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
    ) -> httpcore2.AsyncNetworkStream:
        """This connection, encrypted; see `TlsStream.over`."""
        return await TlsStream.over(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """`is_readable` is true when data or the end came unasked, so nobody may reuse it."""
        if info == "is_readable":
            return self._receiver.has_more
        names = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket"}
        return self._transport.get_extra_info(names[info]) if info in names else None


def _stream(
    transport: asyncio.Transport,
    receiver: Receiver,
    options: Iterable[httpcore2.SOCKET_OPTION] | None,
) -> TcpStream:
    for option in options or ():
        # The library's three shapes of an option are those of `socket.setsockopt`.
        transport.get_extra_info("socket").setsockopt(*cast("tuple[int, int, int]", option))
    return TcpStream(transport, receiver)


@contextmanager
def _connecting() -> Generator[None]:
    """Failures under the names that the HTTP library knows."""
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout("no connection in time") from error
    except OSError as error:
        raise httpcore2.ConnectError(str(error)) from error
