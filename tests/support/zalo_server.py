"""A server of Zalo's Bot API on loopback, for what no other peer can be made to do.

It sends every kind of update and misbehaves on request. What it does otherwise is held against
Crabline, which other people wrote, by the same questions: `tests/plugins/zalo/test_servers.py`.
It runs in threads of its own, so that guests, which wait, and event loops can both be its clients.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

__all__ = ["BOT_ID", "BOT_NAME", "PNG", "Call", "Fetched", "Scripted", "ZaloServer", "fetched"]

BOT_ID = "1459232241454765289"
BOT_NAME = "bot.carapace"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
TOKEN = "12345689:fake-abc-xyz"
_MAX_TEXT = 2_000
_ACTIONS = {"typing", "upload_photo"}


@dataclass(frozen=True)
class Call:
    """One request that arrived with the right token."""

    method: str
    fields: Mapping[str, Any]
    content_type: str


@dataclass(frozen=True)
class Scripted:
    """How the next call of a method is answered.

    `manner` is `answer`, `hang` (until `calm`), `cut` (in the middle of the answer), `reset` (no
    answer at all), or `late` (it is done, and the answer is `status` and `body`).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: str = "answer"

    @classmethod
    def error(cls, code: int, description: str = "", **headers: str) -> Scripted:
        value = {"ok": False, "error_code": code, "description": description}
        return cls(
            code, json.dumps(value).encode(), {k.replace("_", "-"): v for k, v in headers.items()}
        )


@dataclass(frozen=True)
class Fetched:
    """What came back for an address."""

    status: int
    content_type: str
    body: bytes


def fetched(url: str) -> Fetched:
    """A file, as anybody fetches it."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        line.request("GET", parts.path)
        response = line.getresponse()
        return Fetched(response.status, response.headers.get("Content-Type", ""), response.read())
    finally:
        line.close()


class ZaloServer:
    """One bot with its chats; `with ZaloServer() as zalo`. With `tls` it speaks https alone.

    Attributes:
        calls: What arrived with the right token.
        shown: What people see of it, by message id.
        fetches: Paths of photos that somebody fetched from here.
        webhook: Its address and its secret, if one is set.
        fetch_times: How often each photo that a bot sends is fetched, as Zalo does more than once.
        photos: What came of that.
    """

    def __init__(self, token: str = TOKEN, *, tls: ssl.SSLContext | None = None) -> None:
        self.token = token
        self.calls: list[Call] = []
        self.shown: dict[str, Call] = {}
        self.fetches: list[str] = []
        self.webhook: tuple[str, str] | None = None
        self.fetch_times = 0
        self.photos: list[Fetched] = []
        self._changed = threading.Condition()
        self._updates: deque[dict[str, Any]] = deque()
        self._scripts: dict[str, deque[Scripted]] = {}
        self._polls = 0
        self._next_id = 0
        self._free = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be there no more."""
        if not self._thread.is_alive():
            return
        self.calm()
        with self._changed:
            self._polls += 1
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._server.server_address[1]

    # ---- what a person does ----

    def write(self, text: str, **more: Any) -> dict[str, Any]:
        """A text; `chat`, `sender`, `name`, `group`, `message_id` as wanted."""
        return self.happen("message.text.received", {"text": text}, **more)

    def show(
        self, caption: str = "", *, photo_url: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """A photo that lies on this server."""
        content = {"photo_url": photo_url or f"{self.url}/photos/cat.png", "caption": caption}
        return self.happen("message.image.received", content, **more)

    def happen(self, event: str, content: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Any event. Returns the update."""
        sender = more.get("sender", "7a1b")
        message = {
            "message_id": more.get("message_id") or self._message_id(),
            "from": {"id": sender, "display_name": more.get("name", "Linh"), "is_bot": False},
            "chat": {
                "id": more.get("chat", sender),
                "chat_type": "GROUP" if more.get("group") else "PRIVATE",
            },
            "date": int(time.time() * 1_000),
            **content,
        }
        return self.update({"event_name": event, "message": message})

    def update(self, update: dict[str, Any]) -> dict[str, Any]:
        """Post it to the webhook if there is one, else let the next getUpdates have it."""
        if self.webhook is not None:
            status = self._post(update)
            if not 200 <= status < 300:
                raise WebhookRefusedError(status)
            return update
        with self._changed:
            self._updates.append(update)
            self._changed.notify_all()
        return update

    # ---- what a test wants of it ----

    def script(self, method: str, *answers: Scripted) -> None:
        """Answer the next calls of `method` so."""
        with self._changed:
            self._scripts.setdefault(method, deque()).extend(answers)

    def calm(self) -> None:
        """What hangs goes on."""
        self._free.set()

    def called(self, method: str) -> list[Mapping[str, Any]]:
        """The fields of each call of `method`."""
        with self._changed:
            return [one.fields for one in self.calls if one.method == method]

    def await_calls(
        self, method: str, count: int, timeout_s: float = 10.0
    ) -> list[Mapping[str, Any]]:
        """The same, when there are so many."""
        with self._changed:
            enough = self._changed.wait_for(
                lambda: sum(one.method == method for one in self.calls) >= count, timeout_s
            )
        found = self.called(method)
        assert enough, f"{len(found)} of {count} calls of {method}"
        return found

    # ---- the API ----

    def answer(self, method: str, fields: Mapping[str, Any], content_type: str) -> Scripted:
        """What the Bot API does with a call."""
        with self._changed:
            self.calls.append(Call(method, fields, content_type))
            scripts = self._scripts.get(method)
            scripted = scripts.popleft() if scripts else None
            self._changed.notify_all()
        if scripted is not None and scripted.manner != "late":
            if scripted.manner == "hang":
                self._free.wait(60)
            return scripted
        handler = getattr(self, f"_do_{method}", None)
        if handler is None:
            return Scripted.error(400, "Bad request - invalid API name")
        done = handler(fields)
        return scripted or done

    def _do_getMe(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        return _ok(
            {
                "id": BOT_ID,
                "account_name": BOT_NAME,
                "account_type": "BASIC",
                "can_join_groups": True,
            }
        )

    def _do_getUpdates(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        wait_s = float(fields.get("timeout", "30"))
        with self._changed:
            if self.webhook is not None:
                return Scripted.error(
                    400, "Webhook is configured; delete it before using getUpdates"
                )
            self._polls += 1
            mine = self._polls
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._updates or self._polls != mine, wait_s)
            if self._polls != mine:
                return Scripted.error(409, "Conflict: terminated by other getUpdates request")
            if not self._updates:
                return Scripted.error(408, "Request timeout")
            return _ok(self._updates.popleft())

    def _do_sendMessage(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        return self._send(fields, "text")

    def _do_sendPhoto(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        for _ in range(self.fetch_times):
            self.photos.append(fetched(str(fields.get("photo"))))
        return self._send(fields, "photo")

    def _send(self, fields: Mapping[str, Any], name: str) -> Scripted:
        for needed in ("chat_id", name):
            if not str(fields.get(needed) or "").strip():
                return Scripted.error(400, f"{needed} is required")
        written = str(fields.get("text" if name == "text" else "caption") or "")
        if len(written.encode("utf-16-le")) // 2 > _MAX_TEXT:
            return Scripted.error(400, "text is too long")
        message_id = self._message_id()
        method = "sendMessage" if name == "text" else "sendPhoto"
        self.shown[message_id] = Call(method, fields, "")
        return _ok({"date": int(time.time() * 1_000), "message_id": message_id})

    def _do_sendChatAction(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        if not fields.get("chat_id") or fields.get("action") not in _ACTIONS:
            return Scripted.error(400, "action must be typing or upload_photo")
        return _ok(None)

    def _do_setWebhook(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        url, secret = str(fields.get("url") or ""), str(fields.get("secret_token") or "")
        if not url or not secret:
            return Scripted.error(400, "url and secret_token are required")
        if not 8 <= len(secret) <= 256:
            return Scripted.error(400, "secret_token must have 8 to 256 characters")
        with self._changed:
            self.webhook = (url, secret)
            self._polls += 1
            self._changed.notify_all()
        return _ok({"updated_at": int(time.time() * 1_000), "url": url})

    def _do_deleteWebhook(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        self.webhook = None
        return _ok({"updated_at": int(time.time() * 1_000), "url": ""})

    def _do_getWebhookInfo(self, fields: Mapping[str, Any]) -> Scripted:  # noqa: N802 - Zalo's name
        return _ok({"url": "" if self.webhook is None else self.webhook[0]})

    def _message_id(self) -> str:
        with self._changed:
            self._next_id += 1
            return f"{int(time.time() * 1_000):x}{self._next_id:06x}"

    def _post(self, update: Mapping[str, Any]) -> int:
        assert self.webhook is not None
        url, secret = self.webhook
        parts = urlsplit(url)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            line.request(
                "POST",
                parts.path or "/",
                json.dumps(update, ensure_ascii=False).encode(),
                {"Content-Type": "application/json", "X-Bot-Api-Secret-Token": secret},
            )
            return line.getresponse().status
        finally:
            line.close()


class WebhookRefusedError(Exception):
    """The webhook did not answer with 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the webhook answered {status}")
        self.status = status


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news: gateways are killed here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _ok(result: object) -> Scripted:
    value = {"ok": True} if result is None else {"ok": True, "result": result}
    return Scripted(200, json.dumps(value, ensure_ascii=False).encode())


def _fields(body: bytes, content_type: str) -> dict[str, Any]:
    """JSON, or a form, as the vendor's library sends."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    return json.loads(body or b"{}")


def _handler(zalo: ZaloServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            _, _, rest = self.path.partition("/bot")
            token, _, method = rest.partition("/")
            if token != zalo.token:
                self._write(Scripted.error(401 if rest else 404, "Unauthorized"))
                return
            try:
                fields = _fields(body, self.headers.get("Content-Type", ""))
            except ValueError:
                self._write(Scripted.error(400, "Bad Request: can't parse JSON object"))
                return
            self._write(zalo.answer(method, fields, self.headers.get("Content-Type", "")))

        def do_GET(self) -> None:
            zalo.fetches.append(self.path)
            self._write(Scripted(200, PNG, {"Content-Type": "image/png"}))

        def _write(self, answer: Scripted) -> None:
            if answer.manner in {"reset", "hang"}:
                self.close_connection = True
                return
            self.send_response(answer.status)
            kind = {"Content-Type": "application/json"} | dict(answer.headers)
            for name, value in kind.items():
                self.send_header(name, value)
            cut = answer.manner == "cut"
            self.send_header("Content-Length", str(len(answer.body) + (10 if cut else 0)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.close_connection = cut or self.close_connection

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Its paths hold the token."""

    return Handler
