"""A machine of its own for rebinding: a DNS server with TTL 0, a public host, and a secret.

Run as a program inside fresh network and mount namespaces (`unshare --net --mount`), where
nothing but this process can be reached. The machine's own resolver (getaddrinfo) asks the
server below, which changes its mind between questions. Every fetch goes through `Egress` as
the gateway builds it. What was reached is printed as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import httpx2

from carapace.config.settings.net import NetSettings
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import refusal_of
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock

__all__ = ["PUBLIC", "Names"]

PUBLIC = "93.184.216.34"
PORT = 8080
_A, _AAAA, _CNAME, _IN = 1, 28, 5, 1
ROUNDS = 12

Answer = list[tuple[int, str]]


class Names(asyncio.DatagramProtocol):
    """Answers by the first label of the name, with TTL 0; counts what it was asked."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, int]] = Counter()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not a subclass of it on every version of Python.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, kind, end = read_question(data)
        label = name.partition(".")[0]
        count = self.asked[label, kind]
        self.asked[label, kind] += 1
        answers = SCRIPTS.get(label, lambda _kind, _count: [])(kind, count)
        assert self._transport is not None
        self._transport.sendto(write_answer(data, end, answers), addr)


def read_question(data: bytes) -> tuple[str, int, int]:
    """Name, type, and where the question ends (RFC 1035 section 4.1.2)."""
    labels, at = [], 12
    while size := data[at]:
        labels.append(data[at + 1 : at + 1 + size].decode().lower())
        at += 1 + size
    kind = int.from_bytes(data[at + 1 : at + 3], "big")
    return ".".join(labels), kind, at + 5


def write_answer(question: bytes, end: int, answers: Answer) -> bytes:
    head = question[:2] + struct.pack(">HHHHH", 0x8580, 1, len(answers), 0, 0)
    body = question[12:end]
    for kind, text in answers:
        data = encode_name(text) if kind == _CNAME else ip_address(text).packed
        # 0xC00C points at the question's name; the address of an alias stands under it as well
        owner = b"\xc0\x0c"
        if kind != _CNAME and (alias := alias_of(answers)) is not None:
            owner = encode_name(alias)
        body += owner + struct.pack(">HHIH", kind, _IN, 0, len(data)) + data
    return head + body


def alias_of(answers: Answer) -> str | None:
    return next((text for kind, text in answers if kind == _CNAME), None)


def encode_name(name: str) -> bytes:
    labels = (bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"".join(labels) + b"\0"


def flip(kind: int, count: int) -> Answer:
    """Public to the first question, loopback to the second, and so on."""
    return [(_A, PUBLIC if count % 2 == 0 else "127.0.0.1")] if kind == _A else []


def flop(kind: int, count: int) -> Answer:
    """Loopback first."""
    return flip(kind, count + 1)


def both(kind: int, count: int) -> Answer:
    """A good and a bad address in one answer, in turning order."""
    rows: Answer = [(_A, PUBLIC), (_A, "127.0.0.1")]
    return (rows if count % 2 == 0 else rows[::-1]) if kind == _A else []


def six(kind: int, count: int) -> Answer:
    """Public by IPv4, loopback by IPv6."""
    return [(_A, PUBLIC)] if kind == _A else [(_AAAA, "::1")]


def mapped(kind: int, count: int) -> Answer:
    """Loopback dressed as IPv6."""
    return [(_AAAA, "::ffff:127.0.0.1")] if kind == _AAAA else []


def alias(kind: int, count: int) -> Answer:
    """Another name of a name that is loopback."""
    return [(_CNAME, "inside.test"), (_A, "127.0.0.1")] if kind == _A else []


def steady(kind: int, count: int) -> Answer:
    """Always public: shows that the world works."""
    return [(_A, PUBLIC)] if kind == _A else []


SCRIPTS: dict[str, Callable[[int, int], Answer]] = {
    "flip": flip,
    "flop": flop,
    "both": both,
    "six": six,
    "mapped": mapped,
    "alias": alias,
    "steady": steady,
}


def prepare(folder: Path) -> None:
    """Loopback up, a public address on it, and a resolver that asks nobody but us."""
    run = subprocess.run
    run(["ip", "link", "set", "lo", "up"], check=True)
    run(["ip", "addr", "add", f"{PUBLIC}/32", "dev", "lo"], check=True)
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    target = Path("/etc/resolv.conf").resolve()
    run(["mount", "--bind", str(resolv), str(target)], check=True)


async def serve(reached: Counter[str]) -> list[asyncio.Server]:
    """A public host that redirects on request, and what must never be reached."""

    def answering(where: str):
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                reached[where] += 1
                target = head.split(" ")[1].partition("?to=")[2]
                status = f"302 Found\r\nLocation: {target}" if target else "200 OK"
                text = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                writer.write(text.encode())
                await writer.drain()
            writer.close()

        return answer

    servers = [await asyncio.start_server(answering("public"), PUBLIC, PORT)]
    for host in ("127.0.0.1", "::1"):
        with contextlib.suppress(OSError):  # not every kernel has IPv6
            servers.append(await asyncio.start_server(answering("secret"), host, PORT))
    return servers


async def attempt(egress: Egress, name: str) -> Counter[str]:
    """Ask for one name again and again, by all ways there are."""
    outcomes: Counter[str] = Counter()
    caller = EgressCaller("test", EgressPolicy(max_redirects=2, connect_timeout_s=5.0))
    here = f"http://{name}.test:{PORT}/"
    around = f"http://steady.test:{PORT}/?to={here}"
    for _ in range(ROUNDS):
        for url in (here, around):
            async with egress.http_client(caller) as http:
                for _again in range(2):  # on a kept connection, too
                    try:
                        outcomes[str((await http.get(url)).status_code)] += 1
                    except httpx2.HTTPError as error:
                        refused = refusal_of(error)
                        outcomes["refused" if refused else type(error).__name__] += 1
        with contextlib.suppress(Exception):
            await (await egress.websocket(caller, here.replace("http", "ws"))).close()
    return outcomes


async def main(folder: Path) -> None:
    reached: Counter[str] = Counter()
    names = Names()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: names, local_addr=("127.0.0.1", 53), family=socket.AF_INET
    )
    servers = await serve(reached)
    egress = Egress(
        Audit(folder / "audit", clock=FakeClock(), redactor=Redactor()), settings=NetSettings()
    )
    outcomes = {name: dict(await attempt(egress, name)) for name in SCRIPTS}
    for server in servers:
        server.close()
    transport.close()
    asked = {
        name: sum(n for (label, _), n in names.asked.items() if label == name) for name in SCRIPTS
    }
    print(json.dumps({"reached": dict(reached), "outcomes": outcomes, "asked": asked}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as text:
        prepare(Path(text))
        asyncio.run(main(Path(text)))
        sys.stdout.flush()
