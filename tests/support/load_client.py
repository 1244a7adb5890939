"""Many clients in a process of their own, some of them hostile; prints figures as JSON.

    python tests/support/load_client.py --port N --token T --seconds 10 --seed 1

Well-behaved clients ask for `health` about once a second and note how long each answer takes.
Sleepers ask for more than all buffers hold, and read nothing. Vandals send noise and frames
that are too long, from addresses of their own, again and again. Strangers say nothing, or half
of something, and wait to be thrown out. Frames are masked with zeros: legal and cheap.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_TEXT, _CLOSE = 1, 8
_WAVE = 50
_STEP_S = 10.0
_TOO_LONG = 600_000
_FAR_TOO_MUCH = 2_000


def masked(payload: bytes, opcode: int = _TEXT) -> bytes:
    """One frame as a client sends it, RFC 6455 section 5.2."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload


def request(request_id: str, method: str, params: dict[str, Any]) -> bytes:
    """One request frame."""
    frame = {"type": "req", "id": request_id, "method": method, "params": params}
    return masked(json.dumps(frame, separators=(",", ":")).encode())


class Wire(asyncio.Protocol):
    """One socket: upgrades, takes frames apart, knows when it was closed and why."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = asyncio.get_running_loop().create_future()
        self.close_code = 0
        self._buffer = bytearray()
        self._is_upgraded = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(time.monotonic())
        self.messages.put_nowait(b"")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_upgraded:
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head:
                self.transport.close()
                return
            self._is_upgraded = True
            self._buffer = bytearray(rest)
        while self._take():
            pass

    def _take(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, start = buffer[1], 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < start + size:
            return False
        payload = bytes(buffer[start : start + size])
        opcode = buffer[0] & 15
        del buffer[: start + size]
        if opcode == _CLOSE:
            self.close_code = int.from_bytes(payload[:2]) if payload else 1005
            self.transport.close()
        elif b'"type":"res"' in payload[:20]:
            self.messages.put_nowait(payload)
        return True


@dataclass
class Figures:
    """What is printed at the end."""

    round_trips_ms: list[float] = field(default_factory=list[float])
    strangers_s: list[float] = field(default_factory=list[float])
    closes: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])
    sleepers_closed: int = 0
    vandal_visits: int = 0
    open_at_once: int = 0

    def as_json(self) -> str:
        times = sorted(self.round_trips_ms) or [0.0]
        pick = lambda share: round(times[int(len(times) * share)], 2)  # noqa: E731 - three uses
        return json.dumps(
            {
                "requests": len(self.round_trips_ms),
                "p50_ms": pick(0.5),
                "p99_ms": pick(0.99),
                "max_ms": round(times[-1], 2),
                "strangers": len(self.strangers_s),
                "stranger_max_s": round(max(self.strangers_s, default=0.0), 2),
                "sleepers_closed": self.sleepers_closed,
                "vandal_visits": self.vandal_visits,
                "vandal_closes": dict(self.closes),
                "open_at_once": self.open_at_once,
                "faults": self.faults[:20],
            }
        )


class Crowd:
    """Everybody.

    Args:
        port: The gateway's.
        token: The shared token.
        seconds: How long to measure.
        seed: Decides all noise.
    """

    def __init__(self, port: int, token: str, seconds: float, seed: int) -> None:
        self._port, self._token, self._seconds = port, token, seconds
        self._luck = random.Random(seed)
        self._until = 0.0
        self.figures = Figures()

    async def run(self, *, polite: int, sleepers: int, vandals: int, strangers: int) -> None:
        guests = await self._arrive(polite)
        sleeping = await self._arrive(sleepers)
        much = b"".join(request(f"h{n}", "health", {}) for n in range(_FAR_TOO_MUCH))
        for wire in sleeping:
            wire.transport.pause_reading()
            wire.transport.write(much)
        self._until = time.monotonic() + self._seconds
        self.figures.open_at_once = polite + sleepers + vandals + strangers
        async with asyncio.TaskGroup() as group:
            for number, wire in enumerate(guests):
                group.create_task(self._polite(wire, number))
            for number in range(vandals):
                group.create_task(self._vandal(number))
            for number in range(strangers):
                group.create_task(self._stranger(number))
        self.figures.sleepers_closed = sum(wire.closed.done() for wire in sleeping)
        for wire in (*guests, *sleeping):
            wire.transport.abort()

    async def _arrive(self, count: int) -> list[Wire]:
        wires: list[Wire] = []
        while len(wires) < count:
            async with asyncio.TaskGroup() as group:
                wave = min(_WAVE, count - len(wires))
                tasks = [group.create_task(self._sign_in()) for _ in range(wave)]
            wires += [task.result() for task in tasks]
        return wires

    async def _open(self, address: str = "127.0.0.1") -> Wire:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(
            Wire, "127.0.0.1", self._port, local_addr=(address, 0)
        )
        return wire

    async def _sign_in(self, address: str = "127.0.0.1") -> Wire:
        wire = await self._open(address)
        params = {
            "minProtocol": 3,
            "maxProtocol": 3,
            "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"},
            "role": "operator",
            "scopes": ["operator.read", "operator.write"],
            "auth": {"token": self._token},
        }
        wire.transport.write(_UPGRADE.format(port=self._port).encode())
        wire.transport.write(request("connect", "connect", params))
        async with asyncio.timeout(_STEP_S):
            answer = await wire.messages.get()
        if b'"ok":true' not in answer[:80]:
            self.figures.faults.append(f"sign-in: {answer[:200].decode()}")
        return wire

    async def _polite(self, wire: Wire, number: int) -> None:
        luck = random.Random(number)
        await asyncio.sleep(luck.random())
        count = 0
        while time.monotonic() < self._until:
            count += 1
            began = time.perf_counter()
            wire.transport.write(request(f"q{count}", "health", {}))
            async with asyncio.timeout(_STEP_S):
                answer = await wire.messages.get()
            self.figures.round_trips_ms.append((time.perf_counter() - began) * 1000)
            if b'"ok":true' not in answer[:80]:
                self.figures.faults.append(f"health: {wire.close_code} {answer[:200].decode()}")
                return
            await asyncio.sleep(0.5 + luck.random())

    async def _vandal(self, number: int) -> None:
        luck = random.Random(1_000 + number)
        address = f"127.0.1.{number % 8 + 1}"
        acts = (
            self._noise,
            self._noise_in_frames,
            self._too_long,
            self._bad_framing,
            self._chatter,
        )
        while time.monotonic() < self._until:
            act = luck.choice(acts)
            try:
                wire = await act(luck, address)
            except (OSError, TimeoutError):
                self.figures.closes["unreachable"] += 1
                continue
            self.figures.vandal_visits += 1
            await asyncio.wait([wire.closed], timeout=luck.random())
            how = str(wire.close_code or "cut") if wire.closed.done() else "left by itself"
            self.figures.closes[f"{act.__name__.strip('_')} {how}"] += 1
            wire.transport.abort()
            await asyncio.sleep(luck.random() / 2)

    async def _noise(self, luck: random.Random, address: str) -> Wire:
        """Bytes that are no HTTP."""
        wire = await self._open(address)
        wire.transport.write(luck.randbytes(luck.randint(1, 20_000)))
        return wire

    async def _noise_in_frames(self, luck: random.Random, address: str) -> Wire:
        """A WebSocket that is opened for noise."""
        wire = await self._open(address)
        wire.transport.write(_UPGRADE.format(port=self._port).encode())
        wire.transport.write(masked(luck.randbytes(luck.randint(0, 5_000)), luck.randint(1, 2)))
        return wire

    async def _too_long(self, luck: random.Random, address: str) -> Wire:
        """A frame that is longer than announced in `policy`."""
        wire = await self._sign_in(address)
        wire.transport.write(masked(b"{" * (_TOO_LONG + luck.randint(0, 100_000))))
        return wire

    async def _bad_framing(self, luck: random.Random, address: str) -> Wire:
        """Reserved bits, unknown opcodes, lengths nobody can mean."""
        wire = await self._sign_in(address)
        heads = (b"\xf1\x80", b"\x83\x80", b"\x81\xff" + b"\xff" * 8, b"\x81\x05hello")
        wire.transport.write(luck.choice(heads) + luck.randbytes(64))
        return wire

    async def _chatter(self, luck: random.Random, address: str) -> Wire:
        """Admitted, and then talking nonsense."""
        wire = await self._sign_in(address)
        for _ in range(20):
            wire.transport.write(masked(luck.randbytes(luck.randint(1, 2_000))))
            wire.transport.write(request("x" * luck.randint(1, 500), "no.such.method", {}))
        return wire

    async def _stranger(self, number: int) -> None:
        wire = await self._open(f"127.0.2.{number % 4 + 1}")
        began = time.monotonic()
        upgrade = _UPGRADE.format(port=self._port).encode()
        said = (b"", upgrade[:40], upgrade, upgrade + b"\x81\xfe")[number % 4]
        wire.transport.write(said)
        while not wire.closed.done() and time.monotonic() < began + 2 * _STEP_S:
            await asyncio.wait([wire.closed], timeout=0.5)
            if number % 8 == 1 and not wire.closed.done():
                wire.transport.write(b"a")  # a byte now and then must not buy time
        self.figures.strangers_s.append(time.monotonic() - began)
        wire.transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--polite", type=int, default=0)
    parser.add_argument("--sleepers", type=int, default=0)
    parser.add_argument("--vandals", type=int, default=0)
    parser.add_argument("--strangers", type=int, default=0)
    given = parser.parse_args()
    crowd = Crowd(given.port, given.token, given.seconds, given.seed)
    try:
        import uvloop  # noqa: PLC0415 - an extra

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(
            crowd.run(
                polite=given.polite,
                sleepers=given.sleepers,
                vandals=given.vandals,
                strangers=given.strangers,
            )
        )
    print(crowd.figures.as_json(), flush=True)


if __name__ == "__main__":
    main()
