"""One WebSocket connection of a replay: keeps every frame in order, waits with deadlines."""

# Recorded JSON has any shape:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportOptionalSubscript=false
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Self

import aiohttp
import msgspec

from carapace_tools.golden.identity import Identity

__all__ = ["Connection", "ReplayError", "operator_params"]

Frame = dict[str, Any]


def operator_params(token: str, *scopes: str) -> dict[str, Any]:
    """Connect params of an operator, without the proof of its device."""
    client = {"id": "cli", "version": "1.0.0", "platform": "linux", "mode": "cli"}
    return {
        "minProtocol": 3,
        "maxProtocol": 3,
        "client": {**client, "displayName": "golden"},
        "role": "operator",
        "scopes": list(scopes),
        "auth": {"token": token},
    }


class ReplayError(Exception):
    """The gateway did not do what the replay needs to go on."""


class Connection:
    """A client that remembers.

    Attributes:
        frames: All frames heard, oldest first.
        closed: Code, reason and seconds since opening, once the gateway closed.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._session, self._url, self._headers = session, url, headers
        self.frames: list[Frame] = []
        self.closed: tuple[int, str, float] | None = None
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._opened_s = time.monotonic()
        self._ws = await self._session.ws_connect(
            self._url, headers=self._headers, max_msg_size=0, compress=0
        )
        self._reader = asyncio.get_running_loop().create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ws.close()
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        code, reason = 1006, ""
        while True:
            message = await self._ws.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                frame: Frame = msgspec.json.decode(message.data)
                async with self._changed:
                    self.frames.append(frame)
                    self._changed.notify_all()
                continue
            if message.type is aiohttp.WSMsgType.CLOSE:
                code, reason = message.data, message.extra or ""
            break
        async with self._changed:
            self.closed = (code, reason, time.monotonic() - self._opened_s)
            self._changed.notify_all()

    async def until(self, found: Callable[[], Any], what: str, timeout_s: float = 20.0) -> Any:
        """Wait until `found` gives something; returns it.

        Raises:
            ReplayError: If it does not within `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while not (value := found()):
                    await self._changed.wait()
                return value
        except TimeoutError:
            tail = [msgspec.json.encode(frame).decode()[:200] for frame in self.frames[-3:]]
            raise ReplayError(f"waited {timeout_s} s for {what}; last frames: {tail}") from None

    async def send_text(self, text: str) -> None:
        """Send `text` as it is."""
        await self._ws.send_str(text)

    async def send(self, frame: Any) -> None:
        """Send `frame` as JSON."""
        await self.send_text(msgspec.json.encode(frame).decode())

    def answers(self, request_id: Any) -> list[Frame]:
        """Responses with that id so far."""
        return [f for f in self.frames if f.get("type") == "res" and f.get("id") == request_id]

    def events(self, *names: str) -> list[Frame]:
        """Events of these names so far; of every name if none is given."""
        heard = [f for f in self.frames if f.get("type") == "event"]
        return [f for f in heard if f.get("event") in names] if names else heard

    async def nonce(self) -> str:
        """The nonce of the challenge, the first frame of every connection."""
        challenge = await self.until(lambda: self.events("connect.challenge"), "the challenge")
        return str(challenge[0]["payload"]["nonce"])

    async def call(self, request_id: str, method: str, params: dict[str, Any]) -> Frame:
        """One request and its first answer."""
        await self.send({"type": "req", "id": request_id, "method": method, "params": params})
        got = await self.until(
            lambda: self.answers(request_id) or self.closed, f"answer to {method}"
        )
        if isinstance(got, tuple):
            raise ReplayError(f"{method}: the gateway closed the connection: {got}")
        first: Frame = got[0]
        return first

    async def ask_in(self, params: dict[str, Any], token: str, identity: Identity) -> Frame:
        """Connect with these params, signed; the answer, whatever it is."""
        now_ms = time.time_ns() // 1_000_000
        params["device"] = identity.proof(
            params, version="v2", nonce=await self.nonce(), signed_at_ms=now_ms, token=token
        )
        return await self.call("sign-in", "connect", params)

    async def sign_in(self, token: str, identity: Identity) -> Frame:
        """Connect as an operator with a device and all scopes; the hello-ok payload."""
        scopes = ("operator.admin", "operator.approvals", "operator.pairing")
        params = operator_params(token, *scopes)
        return await self.connect(params, token, identity)

    async def connect(self, params: dict[str, Any], token: str, identity: Identity) -> Frame:
        """Connect with these params, signed; the hello-ok payload.

        Raises:
            ReplayError: If it is refused.
        """
        answer = await self.ask_in(params, token, identity)
        if not answer["ok"]:
            raise ReplayError(f"sign-in refused: {answer['error']}")
        payload: Frame = answer["payload"]
        return payload
