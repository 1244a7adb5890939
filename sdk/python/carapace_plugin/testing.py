"""A gateway to test against: it answers what a plugin asks, and remembers what was asked.

    with FakeHost(config={"greeting": "Hello"}) as host:
        assert greet("Ada") == "Hello, Ada!"
    assert host.lines == [("info", "greeted Ada")]

Its answers are held to those of the real gateway by the same cases. What it leaves out: files are
kept as they came, `media` knows the types of a few common files by content and the size of PNG
pictures, and `crypto.aes_ctr` gives the file back as it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Self, cast

from carapace_plugin.errors import HostError
from carapace_plugin.host import use_backend

__all__ = ["Answer", "FakeHost", "answer"]

Answer = Mapping[str, Any] | HostError
"""A plain record `response`, as `answer` makes it, or what went wrong."""

_MAX_SCAN = 100
_MIN_LINK_MS = 1_000
_STATES = ("starting", "running", "degraded", "stopped")
_PNG = b"\x89PNG\r\n\x1a\n"
_MARKS = (
    (_PNG, "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_ENTRY_BYTES = 64  # what the gateway counts for an entry beside its key and value


def answer(
    status: int = 200, body: str | None = None, *, json_body: Any = None, **headers: str
) -> dict[str, Any]:
    """What a server answers, for `FakeHost.on`; `content_type=...` becomes `content-type`."""
    text = json.dumps(json_body) if json_body is not None else body
    shown = [{"name": each.replace("_", "-"), "value": value} for each, value in headers.items()]
    wire = {"tag": "empty", "value": None} if text is None else {"tag": "text", "value": text}
    return {"status": status, "headers": shown, "body": wire}


class FakeHost:
    """A gateway in memory.

    Args:
        config: The plugin's own part of the configuration.
        credentials: Secrets by name.
        kv_max_bytes: Keys and values that fit into its store.
        now_ms: The clock; the real one if None.

    Attributes:
        lines: Log lines, as (level, message).
        requests: What was fetched, as plain records `request`.
        delivered: Messages that came in, as plain records.
        statuses: Account -> (state, detail).
        timers: Name -> (moment in ms, payload).
        polls: Name -> (request, payload).
        sockets: Name -> what was sent on an open connection.
        turns: What the assistant was asked: (session, text).
    """

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
        kv_max_bytes: int = 1_048_576,
        now_ms: Callable[[], float] | None = None,
    ) -> None:
        self.config = dict(config or {})
        self.credentials = dict(credentials or {})
        self.lines: list[tuple[str, str]] = []
        self.requests: list[dict[str, Any]] = []
        self.delivered: list[dict[str, Any]] = []
        self.statuses: dict[str, tuple[str, str]] = {}
        self.timers: dict[str, tuple[float, str]] = {}
        self.polls: dict[str, tuple[dict[str, Any], str]] = {}
        self.sockets: dict[str, list[dict[str, Any]]] = {}
        self.turns: list[tuple[str, str]] = []
        self.files: dict[str, tuple[bytes, str]] = {}
        self._kv_max_bytes = kv_max_bytes
        self._now_ms = now_ms or (lambda: time.time() * 1000.0)
        self._kv: dict[str, tuple[str, int, float | None]] = {}
        self._revision = 0
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._runs: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(use_backend(self.call))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def on(self, method: str, url: str, *answers: Answer) -> None:
        """Let a request be answered; the last answer stays for all that follow."""
        self._answers[method, url] = list(answers)

    def call(self, interface: str, function: str, arguments: list[Any]) -> Any:
        """Answer one call with plain values.

        Raises:
            HostError: As the gateway would.
            LookupError: If the contract has no such function.
        """
        name = f"_{interface}_{function}".replace("-", "_")
        member: Callable[..., Any] | None = getattr(self, name, None)
        if member is None:
            raise LookupError(f"the contract has no {interface}.{function}")
        return member(*arguments)

    def _log_emit(self, level: str, message: str) -> None:
        self.lines.append((level, message))

    def _config_get(self, key: str) -> str | None:
        found: Any = self.config
        for part in key.split(".") if key else ():
            if not isinstance(found, Mapping) or part not in found:
                return None
            found = cast("Mapping[str, Any]", found)[part]
        return json.dumps(found, ensure_ascii=False)

    def _credentials_names(self) -> list[str]:
        return sorted(self.credentials)

    def _credentials_verify(self, name: str, presented: str) -> bool:
        return hmac.compare_digest(self._secret(name).encode(), presented.encode())

    def _credentials_hmac(self, name: str, hash_name: str, text: str) -> str:
        known = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}[hash_name]
        return hmac.new(self._secret(name).encode(), text.encode(), known).hexdigest()

    def _secret(self, name: str) -> str:
        if name not in self.credentials:
            raise HostError("not-granted", f"The secret {name} is not in the manifest.")
        return self.credentials[name]

    def _kv_get(self, key: str) -> dict[str, Any] | None:
        found = self._live(key)
        return None if found is None else {"key": key, "value": found[0], "revision": found[1]}

    def _kv_put(self, key: str, value: str, ttl_ms: float | None) -> int:
        live = {name: self._kv[name][0] for name in self._kv if self._live(name) is not None}
        live[key] = value
        if sum(map(_entry_bytes, live, live.values())) > self._kv_max_bytes:
            raise HostError("quota", f"The store is full: it holds {self._kv_max_bytes} bytes.")
        self._revision += 1
        ends_ms = None if ttl_ms is None else self._now_ms() + ttl_ms
        self._kv[key] = (value, self._revision, ends_ms)
        return self._revision

    def _kv_compare_and_set(
        self, key: str, expected: int | None, value: str, ttl_ms: float | None
    ) -> int | None:
        found = self._live(key)
        if (None if found is None else found[1]) != expected:
            return None
        return self._kv_put(key, value, ttl_ms)

    def _kv_delete(self, key: str) -> bool:
        was_there = self._live(key) is not None
        self._kv.pop(key, None)
        return was_there

    def _kv_scan(self, prefix: str, after: str | None, limit: int) -> list[dict[str, Any]]:
        keys = sorted(
            key
            for key in self._kv
            if key.startswith(prefix) and key > (after or "") and self._live(key) is not None
        )
        found = [self._kv_get(key) for key in keys[: min(limit, _MAX_SCAN)]]
        return [each for each in found if each is not None]

    def _live(self, key: str) -> tuple[str, int, float | None] | None:
        found = self._kv.get(key)
        if found is None or (found[2] is not None and found[2] <= self._now_ms()):
            return None
        return found

    def _http_fetch(self, request: dict[str, Any]) -> Answer:
        self.requests.append(request)
        planned = self._answers.get((request["method"], request["url"]))
        if not planned:
            raise HostError(
                "not-granted",
                f"Nothing answers {request['method']} {request['url']}: say what with host.on().",
            )
        given = planned[0] if len(planned) == 1 else planned.pop(0)
        if isinstance(given, HostError):
            raise given
        return given

    def _media_fetch(self, url: str, max_bytes: float) -> dict[str, Any]:
        found = self._http_fetch({"method": "GET", "url": url})
        if isinstance(found, HostError):
            raise found
        body = found["body"]
        value: str = body["value"] or ""
        content = base64.b64decode(value) if body["tag"] == "base64" else value.encode()
        if len(content) > max_bytes:
            raise HostError("refused", f"The file is larger than {max_bytes:.0f} bytes.")
        return self._store(content)

    def _media_put(self, text: str, _claimed_type: str) -> dict[str, Any]:
        try:
            content = base64.b64decode(text, validate=True)
        except ValueError:
            content = b""
        _need(content, "The file is empty, or not valid base64.")
        return self._store(content)

    def _media_info(self, handle: str) -> dict[str, Any]:
        content, content_type = self._file(handle)
        return {
            "handle": handle,
            "content_type": content_type,
            "size_bytes": float(len(content)),
            **_picture_size(content),
            "duration_ms": None,
        }

    def _media_link(self, handle: str, ttl_ms: float) -> str:
        _need(ttl_ms >= _MIN_LINK_MS, "A link lives for a second at least.")
        self._file(handle)
        return f"https://gateway.example/media/{handle}"

    def _store(self, content: bytes) -> dict[str, Any]:
        handle = f"media-{len(self.files) + 1}"
        self.files[handle] = (content, _type_of(content))
        return self._media_info(handle)

    def _file(self, handle: str) -> tuple[bytes, str]:
        if handle not in self.files:
            raise HostError("not-found", f"There is no file {handle}.")
        return self.files[handle]

    def _inbound_deliver(self, message: dict[str, Any]) -> str:
        for each in message.get("attachments", ()):
            both = (each.get("url"), each.get("handle"))
            _need(sum(one is not None for one in both) == 1, "A file has a url or a handle.")
        is_quote = message.get("quote_id") is not None
        quoted = message.get("quote_text"), message.get("quote_sender_id")
        _need(is_quote or quoted == (None, None), "A quote needs the id of what it quotes.")
        seen = (message["account"], message["message_id"])
        if seen in self._seen:
            return "duplicate"
        self._seen.add(seen)
        self.delivered.append(message)
        return "accepted"

    def _timers_set(self, name: str, at_ms: float, payload: str) -> None:
        _need(name and at_ms >= 0, "A timer has a name and a moment.")
        self.timers[name] = (at_ms, payload)

    def _timers_cancel(self, name: str) -> bool:
        return self.timers.pop(name, None) is not None

    def _poll_start(self, name: str, request: dict[str, Any], payload: str) -> None:
        _need(name, "A poll has a name.")
        self.polls[name] = (request, payload)

    def _poll_stop(self, name: str) -> bool:
        return self.polls.pop(name, None) is not None

    def _websocket_open(self, name: str, _url: str, _headers: Any, _secrets: Any) -> None:
        self.sockets[name] = []

    def _websocket_send(self, name: str, frame: dict[str, Any]) -> None:
        if name not in self.sockets:
            raise HostError("closed", f"There is no connection {name}.")
        self.sockets[name].append(frame)

    def _websocket_close(self, name: str) -> bool:
        return self.sockets.pop(name, None) is not None

    def _crypto_jwks(self, url: str) -> str:
        found = self._http_fetch({"method": "GET", "url": url})
        if isinstance(found, HostError):
            raise found
        return str(found["body"]["value"])

    def _crypto_aes_ctr(self, handle: str, _key: str, _nonce: str) -> str:
        """The file as it is: a test says what the deciphered one holds by storing that."""
        content, _ = self._file(handle)
        return str(self._store(content)["handle"])

    def _agent_start(self, session_key: str, text: str, idempotency_key: str) -> str:
        _need(session_key and text and idempotency_key, "A turn has a session, a text and a key.")
        if idempotency_key not in self._runs:
            self._runs[idempotency_key] = f"run-{len(self._runs) + 1}"
            self.turns.append((session_key, text))
        return self._runs[idempotency_key]

    def _status_set(self, account: str, state: str, detail: str) -> None:
        _need(state in _STATES, f"There is no state {state}.")
        self.statuses[account] = (state, detail)


def _need(truth: object, otherwise: str) -> None:
    if not truth:
        raise HostError("invalid-argument", otherwise)


def _type_of(content: bytes) -> str:
    """By content, as the gateway does it, for the files that tests are made of."""
    for mark, content_type in _MARKS:
        if content.startswith(mark):
            return content_type
    try:
        is_text = content.decode().isprintable()
    except UnicodeDecodeError:
        is_text = False
    return "text/plain" if is_text else "application/octet-stream"


def _picture_size(content: bytes) -> dict[str, int | None]:
    """Of a PNG file (PNG specification, section 11.2.1: IHDR comes first)."""
    if not content.startswith(_PNG):
        return {"width": None, "height": None}
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    return {"width": width, "height": height}


def _entry_bytes(key: str, value: str) -> int:
    return _ENTRY_BYTES + len(key.encode()) + len(value.encode())
