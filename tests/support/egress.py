"""A way out that leads nowhere but to loopback, with names and addresses as a test says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import httpcore2
from aiohttp import web
from aiohttp.test_utils import TestServer

from carapace.net.address import IPAddress
from carapace.net.backend import system_dialler
from carapace.net.client import Egress
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock

__all__ = ["PUBLIC", "AuditTrail", "LoopbackDialler", "NameTable", "make_egress", "serving"]

PUBLIC = "93.184.216.34"


class NameTable:
    """A resolver: each look-up of a name takes its next answer, the last one stays.

    Attributes:
        answers: Addresses by name, one list for each look-up.
        otherwise: Addresses of every other name; unknown if None.
        asked: Names that were looked up.
    """

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): rows for name, rows in answers.items()}
        self.otherwise: list[str] | None = None
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> tuple[IPAddress, ...]:
        self.asked.append(host)
        rows = self.answers.get(host)
        if rows is None and self.otherwise is not None:
            rows = [self.otherwise]
        if rows is None:
            raise OSError(f"unknown name {host}")
        row = rows.pop(0) if len(rows) > 1 else rows[0]
        return tuple(ip_address(text) for text in row)


class LoopbackDialler(httpcore2.AsyncNetworkBackend):
    """Connects to `port` of this machine whatever address it is told, and notes that address."""

    def __init__(self, port: int, *, dead: Iterable[str] = ()) -> None:
        self.port = port
        self.dead = set(dead)
        self.dialled: list[str] = []
        self._real = system_dialler()

    async def connect_tcp(
        self,
        host,
        port,
        timeout=None,  # noqa: ASYNC109 - the library's own signature
        local_address=None,
        socket_options=None,
    ):
        self.dialled.append(host)
        if host in self.dead:
            raise httpcore2.ConnectError(f"{host} does not answer")
        return await self._real.connect_tcp("127.0.0.1", self.port, timeout)

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


class AuditTrail:
    """A real audit log in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.audit = Audit(folder, clock=FakeClock(), redactor=Redactor())

    def lines(self) -> list[dict]:
        path = self._folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def make_egress(
    tmp_path: Path,
    *,
    names: NameTable | None = None,
    dialler: httpcore2.AsyncNetworkBackend | None = None,
) -> tuple[Egress, AuditTrail]:
    trail = AuditTrail(tmp_path / "audit")
    return Egress(trail.audit, resolver=names or NameTable(), dialler=dialler), trail


@asynccontextmanager
async def serving(*routes: web.AbstractRouteDef) -> AsyncGenerator[int]:
    """The port of a small web server on loopback."""
    app = web.Application()
    app.add_routes(routes)
    server = TestServer(app)
    await server.start_server()
    try:
        yield server.port or 0
    finally:
        await server.close()
