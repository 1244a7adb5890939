"""HTTP exchanges are asked as they were recorded, and brought into a form that compares."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carapace_tools.golden import http
from carapace_tools.golden.connection import ReplayError
from carapace_tools.golden.http import HttpReplay, fold, recorded_answer

HEAD = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: "


@asynccontextmanager
async def answering(answer: bytes) -> AsyncGenerator[tuple[HttpReplay, list[bytes]]]:
    """A server that says the same to everybody, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(65_536))
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield HttpReplay(f"ws://127.0.0.1:{port}/", "gateway-token", "hook-token"), asked
    finally:
        server.close()
        await server.wait_closed()


def request(**given: Any) -> dict[str, Any]:
    return {"method": "GET", "path": "/../x", "headers": {}, "body": "", **given}


async def test_the_path_goes_out_as_it_is_and_placeholders_become_secrets():
    async with answering(HEAD + b"text/plain\r\n\r\nhi") as (replay, asked):
        headers = {"authorization": "Bearer <TOKEN>"}
        found = await replay.ask(request(headers=headers, path="/../x?t=<HOOK_TOKEN>"), {})
    assert found == {"status": 200, "headers": {"content-type": "text/plain"}, "text": "hi"}
    assert asked[0].startswith(b"GET /../x?t=hook-token HTTP/1.1\r\n")
    assert b"Bearer gateway-token" in asked[0]


async def test_objects_are_sent_as_json_with_their_length():
    async with answering(HEAD + b'application/json\r\n\r\n{"a":1}') as (replay, asked):
        found = await replay.ask(request(method="POST", body={"x": 1}), {})
    assert found["json"] == {"a": 1}
    assert asked[0].endswith(b'content-length: 7\r\n\r\n{"x":1}')
    assert b"content-type: application/json" in asked[0]


async def test_a_chunked_stream_is_read_whole():
    chunked = b'text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n10\r\ndata: {"choices"'
    chunked += b'\r\n18\r\n:[{"delta":{}}]}\n\ndata: \r\n8\r\n[DONE]\n\n\r\n0\r\n\r\n'
    async with answering(HEAD + chunked) as (replay, _):
        found = await replay.ask(request(), {"sse": []})
    assert found["sse"]["order"] == "finish done"


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        (b"image/png", b"\x89", {"text": "<binary>"}),
        (
            b"text/html",
            b"<title>T</title>__CLAWDBOT_CONTROL_UI_BASE_PATH__",
            {"html": {"title": "T", "characters": 49, "hasInjectedScript": True}},
        ),
        (
            b"text/html",
            b"<p>",
            {"html": {"title": "", "characters": 3, "hasInjectedScript": False}},
        ),
    ],
)
async def test_pictures_and_pages_are_reduced(kind: bytes, body: bytes, found: dict[str, Any]):
    async with answering(HEAD + kind + b"\r\n\r\n" + body) as (replay, _):
        answer = await replay.ask(request(), {})
    assert answer.items() >= found.items()


async def test_a_connection_that_is_cut_has_no_status():
    async with answering(b"") as (replay, _):
        assert await replay.ask(request(), {}) == {"status": None, "headers": {}}
    assert recorded_answer({"status": None, "closedWithoutResponse": True}) == {"status": None}


async def test_a_gateway_that_says_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "_DEADLINE_S", 0.05)
    silent = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ReplayError, match="no answer"):
        await HttpReplay(f"http://127.0.0.1:{port}/", "t", "h").ask(request(), {})
    silent.set()
    server.close()


def chunk(**delta: str) -> dict[str, Any]:
    return {"data": {"choices": [{"delta": delta}]}}


def test_where_words_are_cut_does_not_count():
    one = fold([chunk(role="a"), chunk(content="ab"), {"data": "[DONE]"}], [])
    two = fold([chunk(role="a"), chunk(content="a"), chunk(content="b"), {"data": "[DONE]"}], [])
    assert one == two
    assert one["order"] == "role content done"


def test_kinds_that_the_recording_lacks_are_told_but_not_ordered():
    usage = {"data": {"choices": [], "usage": {}}}
    error = {"data": {"error": {}}}
    found = fold([chunk(role="a"), chunk(), usage, error, {"data": "[DONE]"}], ["role", "done"])
    assert found["order"] == "role done"
    assert set(found["kinds"]) == {"role", "finish", "usage", "error", "done"}


def test_named_events_fold_their_deltas():
    events = [{"event": "a.b", "data": {"delta": text}} for text in ("x", "y")]
    assert fold(events, [])["kinds"] == {"a-b": {"delta": "xy"}}


def test_only_headers_that_mean_something_are_compared():
    recorded = {"status": 405, "headers": {"allow": "POST", "date": "x"}, "text": "no"}
    assert recorded_answer(recorded) == {
        "status": 405,
        "headers": {"allow": "POST"},
        "text": "no",
    }
