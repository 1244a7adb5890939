"""A scripted model server on loopback: four vendors' wire formats, no model.

What it answers is told by directives in the newest user text: see `support/llm/script.py`. As a
program: `PYTHONPATH=tests python -m support.fake_llm --port N` prints one line when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import hashlib
import json
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.llm.chat import CHAT
from support.llm.google import GOOGLE
from support.llm.messages import MESSAGES
from support.llm.responses import RESPONSES
from support.llm.script import CREATED, Asked, Dialect, Script, Sent, dumps

__all__ = ["FakeLlm", "fake_llm"]

_MAX_BODY_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class FakeLlm:
    """A running server and what it saw.

    Attributes:
        url: `http://127.0.0.1:PORT`, without a path.
        requests: The newest request bodies, each with `path` and `body`; never their keys.
        headers: Header names and values of the newest request.
        dropped: Set when a client went away in the middle of a stream.
        models: What `GET /v1/models` lists.
    """

    url: str = ""
    requests: collections.deque[dict[str, Any]] = field(
        default_factory=lambda: collections.deque(maxlen=50)
    )
    headers: dict[str, str] = field(default_factory=dict)
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    models: tuple[str, ...] = ("fake-1", "fake-2")
    counts: collections.Counter[str] = field(default_factory=collections.Counter)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._handler(CHAT))
        app.router.add_post("/v1/responses", self._handler(RESPONSES))
        app.router.add_post("/v1/messages", self._handler(MESSAGES))
        app.router.add_post("/{version}/models/{call}", self._handler(GOOGLE))
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/api/tags", self._list_tags)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/health", self._health)
        app.router.add_get("/_fake/requests", self._recent)
        return app

    def _handler(self, dialect: Dialect) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                body = await request.json()
            except ValueError:
                return web.json_response({"error": {"message": "bad json"}}, status=400)
            self.counts[request.path] += 1
            self.requests.append({"path": request.path, "body": body})
            self.headers = {name.lower(): value for name, value in request.headers.items()}
            script = Script.of(dialect.ask(body))
            await asyncio.sleep(script.delay_s)
            if script.error_status:
                return _error(script)
            if body.get("stream") or ":streamGenerateContent" in request.path:
                return await self._stream(request, dialect, body, script)
            return web.json_response(dialect.whole(body, script), dumps=dumps)

        return handle

    async def _stream(
        self, request: web.Request, dialect: Dialect, body: dict[str, Any], script: Script
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._send(request, response, dialect.stream(body, script), script)
        except (asyncio.CancelledError, ConnectionError):
            self.dropped.set()
            raise
        if request.transport is None or request.transport.is_closing():
            return response
        if dialect.says_done and "nostop" not in script.flaws:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        events: Iterator[Sent],
        script: Script,
    ) -> None:
        for event in events:
            if event.ends and "nostop" in script.flaws:
                return
            await response.write(event.wire())
            if not event.is_word:
                continue
            if "hang" in script.flaws:
                await asyncio.Event().wait()
            if "garbage" in script.flaws:
                await response.write(b'data: {"choices": [oops\n\n')
            if "cut" in script.flaws and request.transport is not None:
                request.transport.abort()
                return
            await asyncio.sleep(script.gap_s)

    async def _list_models(self, _: web.Request) -> web.Response:
        rows = [
            {"id": name, "object": "model", "created": CREATED, "owned_by": "fake"}
            for name in self.models
        ]
        return web.json_response({"object": "list", "data": rows})

    async def _list_tags(self, _: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": n, "model": n} for n in self.models]})

    async def _embed(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append({"path": request.path, "body": body})
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        inputs = body.get("input")
        inputs = inputs if isinstance(inputs, list) else [inputs]
        script = Script.of(Asked(str(inputs[0]), None, frozenset()))
        await asyncio.sleep(script.delay_s)
        if script.error_status:
            return _error(script)
        most = body.get("dimensions")
        rows = [
            {"object": "embedding", "index": n, "embedding": _vector(str(text))[:most]}
            for n, text in enumerate(inputs)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = {"object": "list", "model": body.get("model"), "data": rows, "usage": usage}
        return web.json_response(answer)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True, "counts": dict(self.counts)})

    async def _recent(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.requests))


def _vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()]


def _error(script: Script) -> web.Response:
    status = script.error_status
    error = {"type": "fake_error", "code": "fake_error", "message": f"fake error {status}"}
    headers = {"Retry-After": script.retry_after} if script.retry_after else None
    return web.json_response({"type": "error", "error": error}, status=status, headers=headers)


@contextlib.asynccontextmanager
async def fake_llm(port: int = 0, host: str = "127.0.0.1") -> AsyncGenerator[FakeLlm]:
    """A server that is up inside the block; port 0 takes a free one."""
    server = FakeLlm()
    runner = web.AppRunner(server.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        server.url = f"http://{host}:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


async def _serve(host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with fake_llm(port, host) as server:
        port = int(server.url.rpartition(":")[2])
        ready = {"event": "ready", "port": port, "url": server.url}
        print(json.dumps(ready), flush=True)
        await stop.wait()


def _main() -> None:
    parser = argparse.ArgumentParser(description="A scripted model server on loopback.")
    parser.add_argument("--host", default="127.0.0.1", choices=["127.0.0.1", "::1", "localhost"])
    parser.add_argument("--port", type=int, default=18100)
    parser.add_argument("--quiet", action="store_true", help="accepted for scripts; it is quiet")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.host, arguments.port))


if __name__ == "__main__":
    _main()
