"""An account that posts to a `CountingPeer` over loopback, by hand: one connection a message."""

from __future__ import annotations

import asyncio
import json

from carapace.channels.types import (
    ChannelInfo,
    Dead,
    Delivered,
    Outgoing,
    RetryAfter,
    SendOutcome,
    Target,
    Unknown,
)

__all__ = ["PEER_INFO", "PeerAccount"]

PEER_INFO = ChannelInfo(id="peer", label="Peer")
"""Neither drops repeats nor can be asked; the peer may drop them all the same."""


class PeerAccount:
    """Satisfies `carapace.channels.ports.Account`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.problem: str | None = None

    def trouble(self) -> str | None:
        return self.problem

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            return RetryAfter(reason=f"no connection: {error}")
        try:
            writer.write(_request(outgoing))
            await writer.drain()
            return _outcome(await reader.readline(), await reader.read())
        except OSError as error:
            return Unknown(reason=f"the connection broke: {error}")
        finally:
            writer.close()

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:
        raise AssertionError("this service cannot be asked")

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        raise AssertionError("this service shows no typing")

    async def aclose(self) -> None:
        self.problem = "it is closed"


def _request(outgoing: Outgoing) -> bytes:
    body = json.dumps(
        {
            "text": outgoing.text,
            "conversation": outgoing.target.conversation,
            "mayBeRepeat": outgoing.may_be_repeat,
            "attempt": outgoing.attempt,
        }
    ).encode()
    head = (
        "POST /messages HTTP/1.1\r\nHost: peer\r\nConnection: close\r\n"
        f"Idempotency-Key: {outgoing.idempotency_key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _outcome(status_line: bytes, rest: bytes) -> SendOutcome:
    parts = status_line.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1."):
        return Unknown(reason="what came back is no HTTP")
    head, _, body = rest.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
    if len(body) < int(fields.get(b"content-length", b"0")):
        return Unknown(reason="the answer was torn")
    match int(parts[1]):
        case 200:
            return Delivered(message_id=json.loads(body)["id"])
        case 429 | 503 as status:
            return RetryAfter(reason=f"{status}", after_s=float(fields.get(b"retry-after", b"0")))
        case 400:
            return Dead(reason="refused")
        case status:
            return Unknown(reason=f"{status}")
