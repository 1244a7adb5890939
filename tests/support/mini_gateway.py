"""A small gateway that speaks protocol 3, in a thread: for tests of the command line.

It checks the token and the device's signature as the real one does, answers from a table,
and streams an answer to `chat.send`. `flow/test_cli.py` runs the same commands against the
real one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from carapace.auth.device import prove
from carapace.auth.types import ConnectRefused
from carapace.clock import SystemClock
from carapace.protocol.connect import ConnectParams

TOKEN = "mini-gateway-token-0123456789"
NONCE = "mini-nonce"
Answer = Callable[[dict[str, Any]], Any]


class Refuse(Exception):  # noqa: N818 - an answer, not a defect
    """An answer that says no."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _health(_params: dict[str, Any]) -> dict[str, Any]:
    return {
        "ok": True,
        "ts": SystemClock().now_ms(),
        "channelOrder": [],
        "agents": [{"agentId": "main"}],
        "sessions": {"count": 1, "recent": [{"key": "agent:main:main", "updatedAt": 1, "age": 1}]},
    }


class MiniGateway:
    """Answers; `calls` holds what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.log: list[str] = ['{"time":"2026-01-01T00:00:00Z","level":"info","event":"hello"}']
        self.chat_frames: list[dict[str, Any]] = [
            {"state": "delta", "text": "Hel"},
            {"state": "delta", "text": "Hello"},
            {"state": "final", "text": "Hello there"},
        ]
        self.waits_for_abort = False
        self.on_connect: Callable[[], None] | None = None
        self.closes_after: dict[str, int] = {}
        self.answers: dict[str, Answer] = {
            "health": _health,
            "status": lambda _: {"sessions": {"count": 1}},
            "models.list": lambda _: {"models": [{"id": "m1", "provider": "fake", "name": "M1"}]},
            "sessions.list": lambda _: {
                "sessions": [
                    {"key": "agent:main:main", "updatedAt": 1, "totalTokens": 7, "label": "First"}
                ]
            },
            "sessions.delete": lambda params: {"deleted": params["key"] == "agent:main:main"},
            "sessions.reset": lambda _: {"ok": True},
            "plugins.list": lambda _: {"plugins": []},
            "chat.history": lambda params: {
                "messages": []
                if params["sessionKey"] == "empty"
                else [
                    {"role": "user", "content": [{"type": "text", "text": "hi\x1b[31m"}]},
                    {"role": "assistant", "content": "plain"},
                    {"role": "toolResult", "content": []},
                ]
            },
            "logs.tail": self._logs,
            "chat.abort": lambda _: {"ok": True, "aborted": True, "runIds": ["r1"]},
        }

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.calls if name == method]

    def _logs(self, params: dict[str, Any]) -> dict[str, Any]:
        lines = self.log[params.get("cursor") or 0 :]
        return {"lines": lines, "cursor": len(self.log), "size": 0, "file": "", "reset": False}

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(
            {"type": "event", "event": "connect.challenge", "payload": {"nonce": NONCE, "ts": 1}}
        )
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            frame: dict[str, Any] = msgspec.json.decode(message.data)
            await self._serve(socket, frame)
        return socket

    async def _serve(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        method, params = frame["method"], frame.get("params") or {}
        self.calls.append((method, params))
        answer: dict[str, Any] = {"type": "res", "id": frame["id"]}
        try:
            answer |= {"ok": True, "payload": self._answer(method, params)}
        except Refuse as refuse:
            answer |= {"ok": False, "error": {"code": refuse.code, "message": str(refuse)}}
        await socket.send_json({"type": "event", "event": "tick", "payload": {"ts": 1}})
        await socket.send_json(answer)
        if method in self.closes_after:
            await socket.close(code=self.closes_after.pop(method))
        if method == "chat.send" and answer["ok"] and "aborted" not in answer["payload"]:
            await self._chat(socket, params["idempotencyKey"])
        if method == "chat.abort" and self.waits_for_abort and params.get("runId"):
            await self._event(socket, params["runId"], {"state": "aborted", "text": "Hel"})

    def _answer(self, method: str, params: dict[str, Any]) -> Any:
        if method == "connect":
            return self._connect(params)
        if method == "chat.send" and method not in self.answers:
            return {"runId": params["idempotencyKey"], "status": "started"}
        if method not in self.answers:
            raise Refuse("INVALID_REQUEST", f"unknown method: {method}")
        return self.answers[method](params)

    def _connect(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.on_connect is not None:
            self.on_connect()
        connect = msgspec.convert(params, ConnectParams)
        if connect.auth is None or connect.auth.token != TOKEN:
            raise Refuse("INVALID_REQUEST", "unauthorized: gateway token mismatch")
        try:
            device = prove(
                connect, role="operator", nonce=NONCE, now_ms=SystemClock().now_ms(), is_local=True
            )
        except ConnectRefused as refused:
            raise Refuse("INVALID_REQUEST", refused.message) from refused
        if device is None:
            raise Refuse("NOT_PAIRED", "device identity required")
        return {
            "type": "hello-ok",
            "protocol": 3,
            "server": {"version": "9.9.9", "connId": "c1"},
            "snapshot": {"uptimeMs": 61_000},
        }

    async def _chat(self, socket: web.WebSocketResponse, run_id: str) -> None:
        await self._event(socket, "somebody-elses-run", {"state": "final", "text": "not yours"})
        for frame in self.chat_frames[: 1 if self.waits_for_abort else None]:
            await self._event(socket, run_id, frame)

    async def _event(
        self, socket: web.WebSocketResponse, run_id: str, frame: dict[str, Any]
    ) -> None:
        payload: dict[str, Any] = {
            "runId": run_id,
            "sessionKey": "main",
            "seq": 1,
            "state": frame["state"],
        }
        if frame.get("text"):
            content = [{"type": "text", "text": frame["text"]}]
            payload["message"] = {"role": "assistant", "content": content, "timestamp": 1}
        if frame.get("error"):
            payload["errorMessage"] = frame["error"]
        await socket.send_json({"type": "event", "event": "chat", "payload": payload})


@contextmanager
def mini_gateway():
    """A running `MiniGateway`."""
    gateway = MiniGateway()
    listening = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/", gateway.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        gateway.port = runner.addresses[0][1]
        listening.set()
        await stop.wait()
        await runner.cleanup()

    def main() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            loop.close()

    thread = threading.Thread(target=main)
    thread.start()
    assert listening.wait(10)
    try:
        yield gateway
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
