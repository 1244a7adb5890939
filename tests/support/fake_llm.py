"""A scripted model server on loopback: four vendors' wire formats, no model.

The answer is a pure function of the request. Directives in the newest user text:

    [[say:TEXT]]          answer exactly TEXT
    [[tool:NAME {json}]]  call tool NAME first; once its result is there, "Tool said: <result>"
    [[tokens:N]]          answer with N numbered words
    [[delay:MS]]          wait before the first byte; [[gap:MS]] waits between words
    [[error:STATUS]]      answer with that HTTP status; [[retry:S]] adds Retry-After
    [[think:TEXT]]        reason with TEXT first
    [[hang]]              one word, then silence until the client goes away
    [[cached:N]]          N of the input tokens came from the prompt cache
    [[cut]]               one word, then the connection breaks
    [[garbage]]           one word, then a line that is no JSON
    [[nostop]]            all words, but the stream ends without saying why

Without one: "Echo: <user text, at most 200 characters>". As a script:
`python tests/support/fake_llm.py --port N` prints one line when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import hashlib
import json
import re
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web

__all__ = ["FakeLlm", "Script", "fake_llm"]

_DIRECTIVE = re.compile(
    r"\[\[(say|tool|tokens|delay|gap|error|retry|think|hang|cached|cut|garbage|nostop)"
    r"(?::(.*?))?\]\]",
    re.DOTALL,
)
_MAX_BODY_BYTES = 32 * 1024 * 1024
_CREATED = 1_700_000_000


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


class Asked(NamedTuple):
    """What every dialect's request comes down to."""

    user: str
    tool_result: str | None
    tools: frozenset[str]


@dataclass(frozen=True, slots=True)
class Script:
    """What to answer and how badly to behave while doing so."""

    id: str
    text: str
    think: str
    tool: tuple[str, dict[str, Any]] | None
    delay_s: float
    gap_s: float
    error_status: int
    retry_after: str
    cached: int
    flaws: frozenset[str]

    @property
    def words(self) -> list[str]:
        return re.findall(r"\S+\s*|\s+", self.text)

    @classmethod
    def of(cls, asked: Asked) -> Script:
        found = {m[1]: m[2] or "" for m in _DIRECTIVE.finditer(asked.user)}
        tool = None if asked.tool_result is not None else _tool_call(found, asked.tools)
        seed = asked.user + str(asked.tool_result)
        return cls(
            id=hashlib.sha256(seed.encode()).hexdigest()[:24],
            text="" if tool else _answer(asked, found),
            think=found.get("think", ""),
            tool=tool,
            delay_s=float(found.get("delay") or 0) / 1000,
            gap_s=float(found.get("gap") or 0) / 1000,
            error_status=int(found.get("error") or 0),
            retry_after=found.get("retry", ""),
            cached=int(found.get("cached") or 0),
            flaws=frozenset(found) & {"hang", "cut", "garbage", "nostop"},
        )


def _tool_call(found: dict[str, str], tools: frozenset[str]) -> tuple[str, dict[str, Any]] | None:
    if "tool" not in found:
        return None
    name, _, raw = found["tool"].strip().partition(" ")
    if tools and name not in tools:
        return None
    try:
        return name, json.loads(raw or "{}")
    except ValueError:
        return name, {}


def _answer(asked: Asked, found: dict[str, str]) -> str:
    if asked.tool_result is not None:
        return "Tool said: " + asked.tool_result.strip()[:400]
    if "say" in found:
        return found["say"]
    if "tokens" in found:
        return " ".join(f"w{n}" for n in range(int(found["tokens"])))
    return "Echo: " + _DIRECTIVE.sub("", asked.user).strip()[:200]


class Counts(NamedTuple):
    """Token counts as made up from sizes; `fresh` excludes `cached`."""

    fresh: int
    cached: int
    output: int

    @classmethod
    def of(cls, body: dict[str, Any], script: Script) -> Counts:
        total = max(1, len(_dumps(body)) // 4)
        return cls(total - script.cached, script.cached, max(1, len(script.words) or 8))


class Sent(NamedTuple):
    """One server-sent event; `is_word` where a word of the answer is in it."""

    data: dict[str, Any]
    is_word: bool = False
    ends: bool = False
    name: str | None = None

    def wire(self) -> bytes:
        head = f"event: {self.name}\n" if self.name else ""
        return f"{head}data: {_dumps(self.data)}\n\n".encode()


# ---- chat completions ----------------------------------------------------------------------


def _ask_chat(body: dict[str, Any]) -> Asked:
    user, result = "", None
    for message in body.get("messages") or []:
        text = _text_of(message.get("content"))
        if message.get("role") == "tool":
            result = text
        elif message.get("role") == "user" and text.strip():
            user, result = text, None
    names = {t.get("function", {}).get("name", "") for t in body.get("tools") or []}
    return Asked(user, result, frozenset(names - {""}))


def _chat_usage(counts: Counts) -> dict[str, Any]:
    prompt = counts.fresh + counts.cached
    return {
        "prompt_tokens": prompt,
        "completion_tokens": counts.output,
        "total_tokens": prompt + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
    }


def _stream_chat(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    base = {
        "id": f"chatcmpl-{script.id}",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": body.get("model", "fake-1"),
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield Sent(chunk({"role": "assistant", "content": ""}))
    if script.think:
        yield Sent(chunk({"reasoning_content": script.think}))
    if script.tool:
        name, arguments = script.tool
        head = {"index": 0, "id": f"call_{script.id}", "type": "function"}
        yield Sent(chunk({"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}))
        for piece in _halves(_dumps(arguments)):
            part = {"index": 0, "function": {"arguments": piece}}
            yield Sent(chunk({"tool_calls": [part]}))
    for word in script.words:
        yield Sent(chunk({"content": word}), is_word=True)
    yield Sent(chunk({}, "tool_calls" if script.tool else "stop"), ends=True)
    if (body.get("stream_options") or {}).get("include_usage", True):
        yield Sent({**base, "choices": [], "usage": _chat_usage(Counts.of(body, script))})


def _whole_chat(body: dict[str, Any], script: Script) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": script.text or None}
    if script.tool:
        function = {"name": script.tool[0], "arguments": _dumps(script.tool[1])}
        call = {"id": f"call_{script.id}", "type": "function", "function": function}
        message["tool_calls"] = [call]
    finish = "tool_calls" if script.tool else "stop"
    return {
        "id": f"chatcmpl-{script.id}",
        "object": "chat.completion",
        "created": _CREATED,
        "model": body.get("model", "fake-1"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": _chat_usage(Counts.of(body, script)),
    }


# ---- responses -----------------------------------------------------------------------------


def _ask_responses(body: dict[str, Any]) -> Asked:
    items = body.get("input") or []
    user, result = (items, None) if isinstance(items, str) else ("", None)
    for item in [] if isinstance(items, str) else items:
        text = _text_of(item.get("content"))
        if item.get("type") == "function_call_output":
            result = _text_of(item.get("output"))
        elif item.get("role") == "user" and text.strip():
            user, result = text, None
    names = {t.get("name", "") for t in body.get("tools") or []}
    return Asked(user, result, frozenset(names - {""}))


def _responses_item(script: Script) -> dict[str, Any]:
    if script.tool:
        return {
            "type": "function_call",
            "id": f"fc_{script.id}",
            "call_id": f"call_{script.id}",
            "name": script.tool[0],
            "arguments": _dumps(script.tool[1]),
            "status": "completed",
        }
    part = {"type": "output_text", "text": script.text, "annotations": []}
    return {
        "type": "message",
        "id": f"msg_{script.id}",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _whole_responses(body: dict[str, Any], script: Script) -> dict[str, Any]:
    counts = Counts.of(body, script)
    prompt = counts.fresh + counts.cached
    return {
        "id": f"resp_{script.id}",
        "object": "response",
        "created_at": _CREATED,
        "status": "completed",
        "model": body.get("model", "fake-1"),
        "output": [_responses_item(script)],
        "usage": {
            "input_tokens": prompt,
            "output_tokens": counts.output,
            "total_tokens": prompt + counts.output,
            "input_tokens_details": {"cached_tokens": counts.cached},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _stream_responses(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    whole, item = _whole_responses(body, script), _responses_item(script)
    number = iter(range(10**9))

    def event(kind: str, *, is_word: bool = False, ends: bool = False, **fields: Any) -> Sent:
        data = {"type": kind, "sequence_number": next(number), **fields}
        return Sent(data, is_word, ends, kind)

    opening = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=opening)
    if script.think:
        thought: dict[str, Any] = {
            "output_index": 0,
            "item_id": f"rs_{script.id}",
            "summary_index": 0,
        }
        yield event("response.reasoning_summary_text.delta", delta=script.think, **thought)
    where: dict[str, Any] = {"output_index": 0, "item_id": item["id"]}
    if script.tool:
        added = {**item, "arguments": "", "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=added)
        for piece in _halves(item["arguments"]):
            yield event("response.function_call_arguments.delta", delta=piece, **where)
    else:
        added = {**item, "content": [], "status": "in_progress"}
        yield event("response.output_item.added", output_index=0, item=added)
        for word in script.words:
            kind = "response.output_text.delta"
            yield event(kind, content_index=0, delta=word, is_word=True, **where)
        yield event("response.output_text.done", content_index=0, text=script.text, **where)
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.completed", response=whole, ends=True)


# ---- messages ------------------------------------------------------------------------------


def _ask_messages(body: dict[str, Any]) -> Asked:
    user, result = "", None
    for message in body.get("messages") or []:
        content = message.get("content")
        if message.get("role") != "user":
            continue
        for block in content if isinstance(content, list) else []:
            if block.get("type") == "tool_result":
                result = _text_of(block.get("content"))
        if _text_of(content).strip():
            user, result = _text_of(content), None
    names = {t.get("name", "") for t in body.get("tools") or []}
    return Asked(user, result, frozenset(names - {""}))


def _whole_messages(body: dict[str, Any], script: Script) -> dict[str, Any]:
    counts = Counts.of(body, script)
    blocks: list[dict[str, Any]] = []
    if script.think:
        blocks.append({"type": "thinking", "thinking": script.think, "signature": "c2ln"})
    if script.tool:
        name, arguments = script.tool
        call = {"type": "tool_use", "id": f"toolu_{script.id}", "name": name, "input": arguments}
        blocks.append(call)
    else:
        blocks.append({"type": "text", "text": script.text})
    return {
        "id": f"msg_{script.id}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "fake-1"),
        "content": blocks,
        "stop_reason": "tool_use" if script.tool else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": counts.fresh,
            "output_tokens": counts.output,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": counts.cached,
        },
    }


def _block_deltas(
    block: dict[str, Any], script: Script
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": word} for word in script.words]
        return {"type": "text", "text": ""}, deltas
    if block["type"] == "thinking":
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    pieces = _halves(_dumps(block["input"]))
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {**block, "input": {}}, deltas


def _stream_messages(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    whole = _whole_messages(body, script)

    def event(kind: str, *, is_word: bool = False, ends: bool = False, **fields: Any) -> Sent:
        return Sent({"type": kind, **fields}, is_word, ends, kind)

    usage = {**whole["usage"], "output_tokens": 1}
    yield event(
        "message_start", message={**whole, "content": [], "stop_reason": None, "usage": usage}
    )
    for index, block in enumerate(whole["content"]):
        empty, deltas = _block_deltas(block, script)
        yield event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            is_word = delta["type"] == "text_delta"
            yield event("content_block_delta", index=index, delta=delta, is_word=is_word)
        yield event("content_block_stop", index=index)
    yield event(
        "message_delta",
        ends=True,
        delta={"stop_reason": whole["stop_reason"], "stop_sequence": None},
        usage={"output_tokens": whole["usage"]["output_tokens"]},
    )
    yield event("message_stop", ends=True)


# ---- generateContent -----------------------------------------------------------------------


def _ask_google(body: dict[str, Any]) -> Asked:
    user, result = "", None
    for content in body.get("contents") or []:
        parts = content.get("parts") or []
        for part in parts:
            if reply := part.get("functionResponse"):
                value = reply.get("response") or {}
                result = str(value.get("output", value.get("error", "")))
        if content.get("role") == "user" and _text_of(parts).strip():
            user, result = _text_of(parts), None
    names = {
        row.get("name", "")
        for tool in body.get("tools") or []
        for row in tool.get("functionDeclarations") or []
    }
    return Asked(user, result, frozenset(names - {""}))


def _google_answer(
    body: dict[str, Any], script: Script, parts: list[dict[str, Any]], finish: str | None = None
) -> dict[str, Any]:
    counts = Counts.of(body, script)
    prompt = counts.fresh + counts.cached
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": prompt,
            "cachedContentTokenCount": counts.cached,
            "candidatesTokenCount": counts.output,
            "totalTokenCount": prompt + counts.output,
        },
        "modelVersion": "fake-1",
        "responseId": script.id,
    }


def _google_parts(script: Script) -> Iterator[tuple[dict[str, Any], bool]]:
    if script.think:
        yield {"text": script.think, "thought": True}, False
    if script.tool:
        name, arguments = script.tool
        call = {"id": f"call_{script.id}", "name": name, "args": arguments}
        yield {"functionCall": call}, False
    for word in script.words:
        yield {"text": word}, True


def _stream_google(body: dict[str, Any], script: Script) -> Iterator[Sent]:
    for part, is_word in _google_parts(script):
        yield Sent(_google_answer(body, script, [part]), is_word)
    yield Sent(_google_answer(body, script, [{"text": ""}], "STOP"), ends=True)


def _whole_google(body: dict[str, Any], script: Script) -> dict[str, Any]:
    parts = [part for part, _ in _google_parts(script)]
    return _google_answer(body, script, parts, "STOP")


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [text[:middle], text[middle:]] if middle else [text]


# ---- the server ----------------------------------------------------------------------------


class Dialect(NamedTuple):
    """How one vendor asks and is answered."""

    ask: Callable[[dict[str, Any]], Asked]
    stream: Callable[[dict[str, Any], Script], Iterator[Sent]]
    whole: Callable[[dict[str, Any], Script], dict[str, Any]]
    says_done: bool = False


_CHAT = Dialect(_ask_chat, _stream_chat, _whole_chat, says_done=True)
_RESPONSES = Dialect(_ask_responses, _stream_responses, _whole_responses)
_MESSAGES = Dialect(_ask_messages, _stream_messages, _whole_messages)
_GOOGLE = Dialect(_ask_google, _stream_google, _whole_google)


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
        app.router.add_post("/v1/chat/completions", self._handler(_CHAT))
        app.router.add_post("/v1/responses", self._handler(_RESPONSES))
        app.router.add_post("/v1/messages", self._handler(_MESSAGES))
        app.router.add_post("/{version}/models/{call}", self._handler(_GOOGLE))
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
            return web.json_response(dialect.whole(body, script), dumps=_dumps)

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
            {"id": name, "object": "model", "created": _CREATED, "owned_by": "fake"}
            for name in self.models
        ]
        return web.json_response({"object": "list", "data": rows})

    async def _list_tags(self, _: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": n, "model": n} for n in self.models]})

    async def _embed(self, request: web.Request) -> web.Response:
        body = await request.json()
        inputs = body.get("input")
        inputs = inputs if isinstance(inputs, list) else [inputs]
        rows = [
            {"object": "embedding", "index": n, "embedding": _vector(str(text))}
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
