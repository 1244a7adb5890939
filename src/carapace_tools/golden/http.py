"""Recorded HTTP exchanges: asked again on a bare socket, brought into a form that compares.

A bare socket, because the recordings hold what no HTTP client would send: paths with dots in
them, no `Accept`, a `Host` of somebody else. Streams are folded by kind of event, since where a
model's words are cut is chance; pages are reduced to their title.
"""

# Recorded JSON has any shape:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from carapace_tools.golden.connection import ReplayError

__all__ = ["FOLDER", "HttpReplay", "fold", "recorded_answer"]

FOLDER: Final = "http/"
"""Traces whose name begins so are HTTP exchanges."""

_DEADLINE_S: Final = 60.0
_HEADERS: Final = ("allow", "cache-control", "content-type", "location", "www-authenticate")
"""The others are of the connection, of the moment, or counted from the body."""
_TITLE: Final = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_INJECTED: Final = "__CLAWDBOT_CONTROL_UI_BASE_PATH__"
_DONE: Final = "[DONE]"


class HttpReplay:
    """Asks one gateway.

    Args:
        url: `ws://host:port/` or `http://host:port/`, with or without TLS.
        token: The shared token.
        hook_token: That of `hooks.token`.
    """

    def __init__(self, url: str, token: str, hook_token: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._is_tls = parts.scheme in ("wss", "https")
        self._port = parts.port or (443 if self._is_tls else 80)
        self._tokens = {"<TOKEN>": token, "<HOOK_TOKEN>": hook_token}

    async def ask(self, request: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a recorded request, in the form of `recorded_answer`.

        Raises:
            ReplayError: If the gateway does not answer in time.
        """
        try:
            async with asyncio.timeout(_DEADLINE_S):
                raw = await self._exchange(self._message(request))
        except TimeoutError:
            raise ReplayError("no answer in time") from None
        return _form(_parsed(raw) if raw else {"status": None}, recorded)

    def _message(self, request: Mapping[str, Any]) -> bytes:
        body, given = request["body"], dict(request["headers"])
        if not isinstance(body, str):
            body = msgspec.json.encode(body).decode()
            given = {"content-type": "application/json", **given}
        data = body.encode()
        head = {"host": f"{self._host}:{self._port}", "connection": "close", **given}
        if data or request["method"] in ("POST", "PUT"):
            head["content-length"] = str(len(data))
        lines = [f"{request['method']} {request['path']} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        text = "\r\n".join(lines)
        for placeholder, value in self._tokens.items():
            text = text.replace(placeholder, value)
        return f"{text}\r\n\r\n".encode() + data

    async def _exchange(self, message: bytes) -> bytes:
        context = ssl.create_default_context() if self._is_tls else None
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
        chunks: list[bytes] = []
        try:
            writer.write(message)
            # Not drained: an answer may come before all of a body that is too long was read.
            while chunk := await reader.read(65_536):
                chunks.append(chunk)
        except ConnectionError:
            pass  # what came before a reset is what the client has
        finally:
            writer.close()
        return b"".join(chunks)


def recorded_answer(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded answer in the form in which it is compared."""
    if recorded.get("closedWithoutResponse"):
        return {"status": None}
    return _form(recorded, recorded)


def _form(answer: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """`status`, the headers that matter, and the body in the kind that was recorded."""
    form: dict[str, Any] = {"status": answer["status"]}
    headers: dict[str, str] = answer.get("headers") or {}
    form["headers"] = {name: headers[name] for name in _HEADERS if name in headers}
    for kind in ("json", "text", "html"):
        if kind in answer:
            form[kind] = answer[kind]
    if "sse" in answer:
        form["sse"] = fold(answer["sse"], _kinds_of(recorded.get("sse") or []))
    return form


def fold(events: list[dict[str, Any]], wanted: list[str]) -> dict[str, Any]:
    """A stream by kinds: the first event of each, with the words of all of them in it.

    Args:
        events: `{event?, data}` in order.
        wanted: Kinds of the recording; `order` names only these, in the order they first came,
            so that what a later protocol adds between them does not count.
    """
    kinds: dict[str, Any] = {}
    for event in events:
        kind, data = _kind(event), event["data"]
        if kind not in kinds:
            kinds[kind] = data
            continue
        add, first = _words(data), _words(kinds[kind])
        if add is not None and first is not None:
            first[0][first[1]] += add[0][add[1]]
    kept = [kind for kind in _kinds_of(events) if not wanted or kind in wanted]
    return {"order": " ".join(kept), "kinds": kinds}


def _kinds_of(events: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(_kind(event) for event in events))


def _kind(event: dict[str, Any]) -> str:
    """The event's name; of a chat completion chunk, what it brings."""
    data = event["data"]
    if data == _DONE:
        return "done"
    if event.get("event"):
        return str(event["event"]).replace(".", "-")
    if "error" in data:
        return "error"
    choices = data.get("choices") or []
    if not choices:
        return "usage"
    delta = choices[0]["delta"]
    return next(iter(delta), "finish")


def _words(data: Any) -> tuple[dict[str, Any], str] | None:
    """Where an event holds a piece of text."""
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("delta"), str):
        return data, "delta"
    choices = data.get("choices") or []
    if choices and isinstance(choices[0]["delta"].get("content"), str):
        return choices[0]["delta"], "content"
    return None


def _parsed(raw: bytes) -> dict[str, Any]:
    head, _, rest = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        rest = _dechunked(rest)
    answer: dict[str, Any] = {"status": int(lines[0].split()[1]), "headers": headers}
    kind, value = _body(headers.get("content-type", ""), rest)
    return {**answer, kind: value}


def _body(content_type: str, body: bytes) -> tuple[str, Any]:
    if content_type.startswith("image/"):
        return "text", "<binary>"
    text = body.decode("utf-8", "replace")
    if "json" in content_type and body:
        return "json", msgspec.json.decode(body)
    if "event-stream" in content_type:
        return "sse", _events(text)
    if "html" in content_type and body:
        title = _TITLE.search(text)
        has_script = _INJECTED in text
        page = {"title": title[1] if title else "", "characters": len(text)}
        return "html", {**page, "hasInjectedScript": has_script}
    return "text", text


def _dechunked(body: bytes) -> bytes:
    """Source: RFC 9112, section 7.1."""
    out = bytearray()
    position = 0
    while (end := body.find(b"\r\n", position)) >= 0:
        size = int(body[position:end].split(b";")[0] or b"0", 16)
        if size == 0:
            break
        out += body[end + 2 : end + 2 + size]
        position = end + 2 + size + 2
    return bytes(out)


def _events(text: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for block in text.split("\n\n"):
        event: dict[str, Any] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            if name == "event":
                event["event"] = value
            elif name == "data":
                event["data"] = value if value == _DONE else msgspec.json.decode(value)
        if event:
            events.append(event)
    return events
