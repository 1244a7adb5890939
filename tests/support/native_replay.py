"""The day of `tests/flow/native_contract.toml`, played by the apps against a running gateway.

Every connection sends its exact connect params and then its calls, in binary frames. All that
comes back is kept as it was, so that a test each can say of every answer and every event
whether the app decodes it.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from support.auth import Identity
from support.gateway import TOKEN, Started
from support.native_apps import (
    CONNECT_PATIENCE_S,
    CONTRACT,
    REQUEST_PATIENCE_S,
    App,
    app_of,
    prove,
)
from support.native_shapes import Shapes

__all__ = ["CALLS", "SHAPES", "Answer", "Day", "at"]

CALLS: Final[list[dict[str, Any]]] = CONTRACT["call"]
SHAPES: Final = Shapes(CONTRACT["shape"])
_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024


@dataclass
class Answer:
    """What came of a call, or of a wait before it that did not end."""

    frame: dict[str, Any] = field(default_factory=dict[str, Any])
    trouble: str = ""


def at(value: Any, path: str) -> Any:
    """What is at `a.0.b` of a payload; None if nothing is."""
    for part in path.split(".") if path else ():
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


class Socket:
    """One connection of an app; keeps every event, and every answer by its id."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._answers: dict[str, dict[str, Any]] = {}
        self._changed = asyncio.Condition()
        self._seen = 0
        self.events: list[dict[str, Any]] = []
        self.reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        async for message in self._ws:
            frame: dict[str, Any] = json.loads(message.data)
            async with self._changed:
                if frame["type"] == "event":
                    self.events.append(frame)
                else:
                    self._answers.setdefault(frame["id"], frame)  # the first answer of `agent`
                self._changed.notify_all()

    async def send(self, method: str, params: Any) -> str:
        """Send a request; its id."""
        request: dict[str, Any] = {"type": "req", "id": str(uuid.uuid4()), "method": method}
        if params is not None:
            request["params"] = params
        await self._ws.send_bytes(json.dumps(request).encode())
        found: str = request["id"]
        return found

    async def answer(self, request_id: str, patience_s: float) -> dict[str, Any]:
        """The first answer to it."""
        async with asyncio.timeout(patience_s), self._changed:
            await self._changed.wait_for(lambda: request_id in self._answers)
        return self._answers[request_id]

    async def event(self, name: str, where: Mapping[str, Any]) -> dict[str, Any]:
        """The payload of such an event; one that an earlier wait ended with is not taken again."""

        def find() -> int | None:
            for index, frame in enumerate(self.events):
                is_new = index >= self._seen or name in ("heartbeat", "tick")
                payload = frame.get("payload") or {}
                is_meant = all(payload.get(key) == value for key, value in where.items())
                if is_new and is_meant and frame["event"] == name:
                    return index
            return None

        async with asyncio.timeout(REQUEST_PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: find() is not None)
            index = find()
        assert index is not None
        self._seen = max(self._seen, index + 1)
        payload: dict[str, Any] = self.events[index]["payload"]
        return payload

    async def nonce(self) -> str:
        """Of the challenge."""
        payload = await self.event("connect.challenge", {})
        nonce: str = payload["nonce"]
        return nonce


class Day:
    """Plays the contract; `hellos`, `answers` and `sockets` are what came back."""

    def __init__(self, gateway: Started, brand: str) -> None:
        self._gateway = gateway
        self._brand = brand
        self._stack = AsyncExitStack()
        self._known: dict[str, Any] = {}
        self._waiting: list[tuple[int, Socket, str]] = []
        self.identities: dict[str, Identity] = {}
        self.hellos: dict[str, dict[str, Any]] = {}
        self.sockets: dict[str, Socket] = {}
        self.answers: dict[int, Answer] = {}

    async def __aenter__(self) -> Self:
        for name, row in CONTRACT["connection"].items():
            identity = self.identities.setdefault(row.get("device", name), Identity())
            self._known[f"id:{name}"] = identity.id
            socket = await self._open(self._stack)
            self.sockets[name] = socket
            self.hellos[name] = await self._connect(socket, app_of(name), identity)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def play(self) -> None:
        """Every call in its order; those in the background are answered at the end."""
        for index, call in enumerate(CALLS):
            self.answers[index] = answer = Answer()
            try:
                if "knock" in call:
                    await self._knock(call["knock"])
                else:
                    await self._call(index, call, answer)
            except (TimeoutError, KeyError, AssertionError) as error:
                answer.trouble = f"{type(error).__name__}: {error}"
        for index, socket, request_id in self._waiting:
            try:
                self.answers[index].frame = await socket.answer(request_id, REQUEST_PATIENCE_S)
            except TimeoutError:
                self.answers[index].trouble = "no answer"

    async def end(self) -> None:
        """The gateway stops; what it says last is heard."""
        await self._gateway.stop()
        for socket in self.sockets.values():
            await asyncio.wait([socket.reader], timeout=REQUEST_PATIENCE_S)

    async def _call(self, index: int, call: dict[str, Any], answer: Answer) -> None:
        socket = self.sockets[call["by"]]
        if "after" in call:
            after = call["after"]
            payload = await socket.event(after["event"], self._filled(after.get("where", {})))
            self._keep(payload, after)
        params = self._filled(call.get("params"))
        if "nulls" in call:
            params = {**params, **dict.fromkeys(call["nulls"])}
        request_id = await socket.send(call["method"], params)
        if call.get("background"):
            self._waiting.append((index, socket, request_id))
            return
        answer.frame = await socket.answer(request_id, REQUEST_PATIENCE_S)
        self._keep(answer.frame.get("payload"), call)

    def _keep(self, payload: Any, row: Mapping[str, Any]) -> None:
        for name, path in row.get("keep", {}).items():
            self._known[name] = at(payload, path)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if value == "$new":
            return str(uuid.uuid4())
        if isinstance(value, str) and value.startswith("$"):
            return self._known[value[1:]]
        return value

    async def _open(self, stack: AsyncExitStack) -> Socket:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        ws = await stack.enter_async_context(
            session.ws_connect(self._gateway.url, max_msg_size=_MAX_MESSAGE_BYTES)
        )
        socket = Socket(ws)
        stack.callback(socket.reader.cancel)
        return socket

    async def _connect(
        self, socket: Socket, app: App, identity: Identity, **more: Any
    ) -> dict[str, Any]:
        nonce = await socket.nonce()
        params = prove(app.params(self._brand, **more), identity, nonce=nonce, secret=TOKEN)
        request_id = await socket.send("connect", params)
        answer = await socket.answer(request_id, CONNECT_PATIENCE_S)
        assert answer["ok"], (app.name, answer)
        hello: dict[str, Any] = answer["payload"]
        return hello

    async def _knock(self, name: str) -> None:
        identity, app = Identity(), app_of(name)
        self._known["knocker"] = identity.id
        for more in ({}, {"commands": [*app.commands, "canvas.new"]}):
            async with AsyncExitStack() as stack:
                await self._connect(await self._open(stack), app, identity, **more)
