"""A web service that counts what arrives, by idempotency key, and misbehaves as it is told.

It runs in threads of its own, so that it lives on while the gateway beside it is killed. A key
is read from the header `Idempotency-Key` or the JSON field `idempotencyKey`; a repeat that says
so carries `mayBeRepeat`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Arrival", "Behaviour", "CountingPeer", "PeerLedger", "counting_peer"]


class Behaviour(StrEnum):
    """What the peer does with one request."""

    OK = "ok"  # takes it and says so
    RESET_BEFORE = "reset-before"  # takes nothing, resets the connection
    RESET_AFTER = "reset-after"  # takes it, resets the connection
    HANG = "hang"  # takes it, never answers (until it is released or stopped)
    BUSY = "busy"  # 429 with Retry-After
    ERROR_BEFORE = "error-before"  # takes nothing, 503
    ERROR_AFTER = "error-after"  # takes it, 500
    GARBAGE = "garbage"  # takes it, answers what is no HTTP
    TORN = "torn"  # takes it, ends in the middle of its answer
    REFUSE = "refuse"  # 400


_TAKES = {
    Behaviour.OK,
    Behaviour.RESET_AFTER,
    Behaviour.HANG,
    Behaviour.ERROR_AFTER,
    Behaviour.GARBAGE,
    Behaviour.TORN,
}


@dataclass(frozen=True)
class Arrival:
    """One request that was taken."""

    key: str
    may_be_repeat: bool
    body: Any
    behaviour: Behaviour
    at_s: float


@dataclass(frozen=True)
class PeerLedger:
    """What arrived, against what was to arrive.

    Attributes:
        lost: Keys that never arrived.
        unmarked: Keys of which more than one copy arrived without saying so.
        marked: How many copies said that they may be repeats.
        strange: Keys that nobody sent.
    """

    expected: int
    arrived: int
    lost: tuple[str, ...]
    unmarked: tuple[str, ...]
    marked: int
    strange: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"expected {self.expected}, arrived {self.arrived}, lost {len(self.lost)}, "
            f"unmarked duplicates {len(self.unmarked)}, marked repeats {self.marked}, "
            f"unexpected {len(self.strange)}"
        )


class CountingPeer:
    """The service. Use `counting_peer`.

    Args:
        drops_repeats: A key that was taken before is answered and not taken again.
        retry_after_s: What a busy answer asks for.
    """

    def __init__(self, *, drops_repeats: bool = False, retry_after_s: int = 0) -> None:
        self.drops_repeats = drops_repeats
        self.retry_after_s = retry_after_s
        self.arrivals: list[Arrival] = []
        self.requests: Counter[Behaviour] = Counter()
        self._script: deque[Behaviour] = deque()
        self._choose: Callable[[str], Behaviour] = lambda key: Behaviour.OK
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._free = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/messages"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._free.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, *behaviours: Behaviour) -> None:
        """What is done with the next requests, in order; after that, what `choose` says."""
        with self._lock:
            self._script.extend(behaviours)

    def choose(self, choose: Callable[[str], Behaviour]) -> None:
        """Decide by key once the script is used up; called on a server thread."""
        with self._lock:
            self._choose = choose

    def release(self) -> None:
        """Hanging requests are answered now, and later ones at once."""
        self._free.set()

    def counts(self) -> Counter[str]:
        """How many copies of each key arrived."""
        with self._lock:
            return Counter(one.key for one in self.arrivals)

    def arrived(self, count: int, *, timeout_s: float = 10.0) -> bool:
        """Wait (in this thread) until so many different keys arrived."""
        with self._changed:
            return self._changed.wait_for(
                lambda: len({one.key for one in self.arrivals}) >= count, timeout_s
            )

    def ledger(self, expected: set[str]) -> PeerLedger:
        """What of `expected` came, and what came twice without a mark."""
        with self._lock:
            arrivals = list(self.arrivals)
        seen = {one.key for one in arrivals}
        plain = Counter(one.key for one in arrivals if not one.may_be_repeat)
        return PeerLedger(
            expected=len(expected),
            arrived=len(seen & expected),
            lost=tuple(sorted(expected - seen)),
            unmarked=tuple(sorted(key for key, count in plain.items() if count > 1)),
            marked=sum(one.may_be_repeat for one in arrivals),
            strange=tuple(sorted(seen - expected)),
        )

    # what the handler asks, on a server thread

    def take(self, key: str, body: Any) -> Behaviour:
        """Note the request; what to do with it."""
        with self._changed:
            behaviour = self._script.popleft() if self._script else self._choose(key)
            self.requests[behaviour] += 1
            is_known = self.drops_repeats and any(one.key == key for one in self.arrivals)
            if behaviour in _TAKES and not is_known:
                marked = isinstance(body, dict) and bool(body.get("mayBeRepeat"))
                arrival = Arrival(key, marked, body, behaviour, time.monotonic())
                self.arrivals.append(arrival)
            self._changed.notify_all()
        return behaviour

    def hang(self) -> None:
        self._free.wait()


@contextmanager
def counting_peer(
    *, drops_repeats: bool = False, retry_after_s: int = 0
) -> Generator[CountingPeer]:
    """A running peer on a free port of loopback."""
    peer = CountingPeer(drops_repeats=drops_repeats, retry_after_s=retry_after_s)
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()


def _handler_for(peer: CountingPeer) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"peer": peer})


_STATUS = {
    Behaviour.OK: 200,
    Behaviour.HANG: 200,
    Behaviour.BUSY: 429,
    Behaviour.ERROR_BEFORE: 503,
    Behaviour.ERROR_AFTER: 500,
    Behaviour.REFUSE: 400,
}
_RAW = {
    Behaviour.RESET_BEFORE: b"",
    Behaviour.RESET_AFTER: b"",
    Behaviour.GARBAGE: b"\x00\xff this is no HTTP\r\n\r\n",
    Behaviour.TORN: b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
}


class _Handler(BaseHTTPRequestHandler):
    peer: CountingPeer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:
            self.close_connection = True  # its sender was killed in the middle of it
            return
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        key = self.headers.get("Idempotency-Key")
        if key is None and isinstance(body, dict):
            key = body.get("idempotencyKey")
        try:
            self._answer(self.peer.take(str(key), body), str(key))
        except OSError:
            self.close_connection = True  # the other side was killed

    def _answer(self, behaviour: Behaviour, key: str) -> None:
        if behaviour in _RAW:
            self._break_off(_RAW[behaviour], is_reset=not _RAW[behaviour])
            return
        if behaviour is Behaviour.HANG:
            self.peer.hang()
        status = _STATUS[behaviour]
        data = json.dumps({"id": f"peer-{key}"} if status == 200 else {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if behaviour is Behaviour.BUSY:
            self.send_header("Retry-After", str(self.peer.retry_after_s))
        self.end_headers()
        self.wfile.write(data)

    def _break_off(self, data: bytes, *, is_reset: bool) -> None:
        self.wfile.write(data)
        self.close_connection = True
        if is_reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the other side was killed
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Silent."""
