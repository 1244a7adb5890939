"""The native apps' connections, replayed: their connect params, binary frames, short patience."""

from __future__ import annotations

import asyncio
import json
import time
import tomllib
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from support.auth import Identity
from support.native.frames import EventFrame, ResponseFrame, frame_of
from support.native.hello import Hello
from support.native_decoders import decode_event, decode_result

__all__ = [
    "ANDROID",
    "ANDROID_NODE",
    "APPS",
    "BRANDS",
    "CONNECT_PATIENCE_S",
    "CONTRACT",
    "IOS",
    "MACOS",
    "MACOS_NODE",
    "REQUEST_PATIENCE_S",
    "App",
    "Link",
    "app_link",
    "app_of",
    "hello_of",
    "prove",
]

BRANDS: Final = ("clawdbot", "moltbot", "openclaw")
CHALLENGE_PATIENCE_S: Final = 0.75
"""The Swift transport waits this long for a nonce, then connects without one."""
CONNECT_PATIENCE_S: Final = 6.0
REQUEST_PATIENCE_S: Final = 15.0


@dataclass(frozen=True)
class App:
    """One kind of connection an app opens; `{brand}` stands for the release's name."""

    name: str
    client_id: str
    mode: str
    role: str
    scopes: tuple[str, ...]
    client: dict[str, str]
    caps: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()

    def params(self, brand: str, **more: Any) -> dict[str, Any]:
        """Connect params; commands and permissions only where there are any."""
        said: dict[str, Any] = {
            "minProtocol": 3,
            "maxProtocol": 3,
            "client": {
                "id": self.client_id.format(brand=brand),
                "mode": self.mode,
                "version": "2026.1.27",
                "instanceId": str(uuid.uuid4()),
                **self.client,
            },
            "caps": list(self.caps),
            "locale": "en_US",
            "userAgent": "Version 26.1 (Build 25B78)",
            "role": self.role,
            "scopes": list(self.scopes),
        }
        if self.commands:
            said["commands"] = list(self.commands)
        if self.permissions:
            said["permissions"] = dict.fromkeys(self.permissions, True)
        return said | more


CONTRACT: Final[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[1] / "flow" / "native_contract.toml").read_text("utf-8")
)
"""What the apps send and decode."""


def app_of(name: str) -> App:
    """A connection of the contract."""
    row = CONTRACT["connection"][name]
    return App(
        name=name,
        client_id=row["client_id"],
        mode=row["mode"],
        role=row["role"],
        scopes=tuple(row["scopes"]),
        client=row["client"],
        caps=tuple(row.get("caps", ())),
        commands=tuple(row.get("commands", ())),
        permissions=tuple(row.get("permissions", ())),
    )


MACOS: Final = app_of("mac")
MACOS_NODE: Final = app_of("mac-node")
IOS: Final = app_of("iphone")
ANDROID_NODE: Final = app_of("android-node")
ANDROID: Final = app_of("android")
APPS: Final = (MACOS, MACOS_NODE, IOS, ANDROID_NODE, ANDROID)


def prove(
    params: dict[str, Any], identity: Identity, *, nonce: str | None, secret: str | None
) -> dict[str, Any]:
    """The params with `auth` and the device's signature: v2 over the nonce, v1 without one."""
    signed_at = time.time_ns() // 1_000_000
    client = params["client"]
    parts = ["v2" if nonce else "v1", identity.id, client["id"], client["mode"], params["role"]]
    parts += [",".join(params["scopes"]), str(signed_at), secret or ""]
    device: dict[str, Any] = {
        "id": identity.id,
        "publicKey": identity.public,
        "signedAt": signed_at,
    }
    if nonce:
        parts.append(nonce)
        device["nonce"] = nonce
    device["signature"] = identity.sign("|".join(parts))
    auth = {"auth": {"token": secret}} if secret is not None else {}
    return {**params, **auth, "device": device}


class Link:
    """An app's socket: sends JSON in binary messages, decodes all it hears strictly."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, url: str) -> None:
        self._ws = ws
        self.url = url
        self._fractions = False
        self.heard: list[EventFrame] = []

    async def frame(self, timeout_s: float = REQUEST_PATIENCE_S) -> ResponseFrame | EventFrame:
        """The next message; every known event in it decodes."""
        message = await self._ws.receive(timeout=timeout_s)
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise EOFError(self._ws.close_code, message.extra)
        frame = frame_of(message.data, fractions=self._fractions)
        if isinstance(frame, EventFrame):
            if frame.event != "connect.challenge":
                decode_event(frame)
            self.heard.append(frame)
        return frame

    async def request(self, method: str, params: Any = None) -> ResponseFrame:
        """Send a request; its first response."""
        request: dict[str, Any] = {"type": "req", "id": str(uuid.uuid4()), "method": method}
        if params is not None:
            request["params"] = params
        self._fractions = method == "config.schema"
        await self._ws.send_bytes(json.dumps(request).encode())
        patience_s = CONNECT_PATIENCE_S if method == "connect" else REQUEST_PATIENCE_S
        async with asyncio.timeout(patience_s):
            while True:
                frame = await self.frame()
                if isinstance(frame, ResponseFrame) and frame.id == request["id"]:
                    return frame

    async def call(self, method: str, params: Any = None) -> Any:
        """A request that is granted; its result as the apps decode it."""
        answer = await self.request(method, params)
        assert answer.ok, (method, answer.error)
        return decode_result(method, bytes(answer.payload))

    async def until(self, name: str, **fields: Any) -> Any:
        """The payload of the first event of this name with these fields, heard or coming."""
        seen = 0
        while True:
            for frame in self.heard[seen:]:
                if frame.event == name:
                    payload = decode_event(frame)
                    if all(getattr(payload, key) == value for key, value in fields.items()):
                        return payload
            seen = len(self.heard)
            await self.frame()

    async def nonce(self) -> str:
        """The challenge's nonce: it is the very first message, within the apps' patience."""
        frame = await self.frame(CHALLENGE_PATIENCE_S)
        assert isinstance(frame, EventFrame)
        assert frame.event == "connect.challenge"
        nonce: str = json.loads(bytes(frame.payload))["nonce"]
        return nonce

    async def connect(
        self, app: App, identity: Identity, secret: str | None, *, brand: str = "openclaw"
    ) -> ResponseFrame:
        """Sign in over the nonce."""
        nonce = await self.nonce()
        params = prove(app.params(brand), identity, nonce=nonce, secret=secret)
        return await self.request("connect", params)


def hello_of(answer: ResponseFrame) -> Hello:
    """The hello of a granted connect."""

    assert answer.ok, answer.error
    return msgspec.json.decode(bytes(answer.payload), type=Hello)


@asynccontextmanager
async def app_link(url: str) -> AsyncGenerator[Link]:
    """A socket as the apps open one."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=16 * 1024 * 1024) as ws,
    ):
        yield Link(ws, url)
