"""From an HTTP request to a WebSocket: the checks of RFC 6455, section 4.2.1, and the take-over.

aiohttp's protocol object is told that its connection ended, so that its task and its request
are freed; the socket itself goes on under another protocol.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import hdrs, web

from carapace.errors import Refused
from carapace.server.ws_frames import accept_key, switching_protocols

__all__ = ["Detached", "check_upgrade", "take_over", "wants_upgrade"]

_VERSION: Final = "13"


class Detached(web.StreamResponse):
    """Returned where aiohttp wants a response, after the socket was taken from it."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing: the answer has been written."""

    async def write_eof(self, data: Any = b"") -> None:
        """Send nothing."""


class _EarlyBytes:
    """Takes what the client sent right behind its upgrade request."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """The old protocol says so when it is let go; the socket goes on."""


def wants_upgrade(request: web.BaseRequest) -> bool:
    """Whether the client asks for a WebSocket, on whatever path."""
    return request.headers.get(hdrs.UPGRADE, "").strip().lower() == "websocket"


def check_upgrade(request: web.BaseRequest) -> bytes:
    """The value of `Sec-WebSocket-Accept`.

    Raises:
        Refused: What is missing, for the client's developer.
    """
    if request.method != hdrs.METH_GET:
        raise Refused("a WebSocket is opened with GET")
    if "upgrade" not in request.headers.get(hdrs.CONNECTION, "").lower():
        raise Refused("a WebSocket needs the header Connection: Upgrade")
    if request.headers.get(hdrs.SEC_WEBSOCKET_VERSION) != _VERSION:
        raise Refused("this gateway speaks WebSocket version 13")
    accept = accept_key(request.headers.get(hdrs.SEC_WEBSOCKET_KEY, ""))
    if accept is None:
        raise Refused("Sec-WebSocket-Key must be 16 bytes in base64")
    return accept


def take_over(request: web.Request, accept: bytes) -> tuple[asyncio.Transport, bytes] | None:
    """Answer 101 and take the socket from aiohttp.

    Returns:
        The socket, which still calls the old protocol until another one is set, and the bytes
        that came in early; None if the client has left.
    """
    old = request.protocol
    transport = old.transport
    if transport is None or transport.is_closing():
        return None
    early = _EarlyBytes()
    old.set_parser(early)  # type: ignore[arg-type]
    transport.write(switching_protocols(accept))
    # In this order: without a transport the old protocol cannot close the socket.
    old.transport = None
    old.connection_lost(None)
    return transport, early.data
