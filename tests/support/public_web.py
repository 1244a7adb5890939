"""A small internet on loopback: hosts with public names and addresses, reached through `Egress`.

    async with public_host(tmp_path, "media.example", web.get("/cat.png", cat)) as internet:
        client = internet.egress.http_client(EgressCaller("media.fetch"))
        response = await client.get("https://media.example/cat.png")

Every host speaks http on port 80 and https on port 443 (any other port answers clear text),
with a certificate that `internet.egress` trusts. Names may also get addresses that are not
public (`point`), to see them refused. Nothing but loopback is ever contacted: an address that
no host has does not answer, and stands in `dialled`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path

import httpcore2
from aiohttp import web

from carapace.net.backend import system_dialler
from carapace.net.client import Egress
from support.authority import shared_authority
from support.egress import AuditTrail, NameTable

__all__ = ["PublicWeb", "public_host", "public_web"]

_FIRST = IPv4Address("93.184.216.1")
_HTTPS_PORT = 443


class PublicWeb(httpcore2.AsyncNetworkBackend):
    """The hosts of one test and the way out that reaches them.

    Attributes:
        egress: Goes to these hosts and nowhere else.
        trail: Its audit log; `trail.lines()` are the refusals.
        names: Its resolver; `names.asked` are the look-ups.
        dialled: The (address, port) of every connection tried, refused ones excluded.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.names = NameTable()
        self.trail = AuditTrail(tmp_path / "audit")
        self.dialled: list[tuple[str, int]] = []
        self._tls_ports: set[tuple[str, int]] = set()
        self._servers: dict[str, tuple[int, int]] = {}
        self._stack = contextlib.AsyncExitStack()
        self._real = system_dialler()
        self.egress = Egress(
            self.trail.audit,
            resolver=self.names,
            dialler=self,
            ssl_context=shared_authority().trust(),
        )

    async def host(self, name: str, *routes: web.AbstractRouteDef) -> str:
        """Start a host; its public address, at which it answers too."""
        address = str(_FIRST + len(self._servers))
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        ports: list[int] = []
        for ssl_context in (None, shared_authority().server(name, f"*.{name}", address)):
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
            await site.start()
            ports.append(runner.addresses[-1][1])
        return self.forward(name, ports[0], ports[1])

    def forward(self, name: str, port: int, tls_port: int | None = None) -> str:
        """Let a name lead to a port of this machine where the test listens by itself."""
        address = str(_FIRST + len(self._servers))
        self._servers[address] = (port, tls_port or port)
        self.point(name, address)
        return address

    def also(self, address: str, other: str) -> None:
        """Let a host answer at another way of writing its address too."""
        self._servers[other] = self._servers[address]

    def ports(self, name: str) -> tuple[int, int]:
        """Where a host really listens on 127.0.0.1: clear text, and TLS."""
        return self._servers[self.names.answers[name][0][0]]

    def speak_tls_on(self, name: str, port: int) -> None:
        """Let a host answer https on a further port."""
        self._tls_ports.add((self.names.answers[name][0][0], port))

    def point(self, name: str, *addresses: str) -> None:
        """Let a name have these addresses from now on."""
        self.names.answers[name] = [list(addresses)]

    async def connect_tcp(
        self,
        host,
        port,
        timeout=None,  # noqa: ASYNC109 - the library's own signature
        local_address=None,
        socket_options=None,
    ):
        self.dialled.append((host, port))
        if host not in self._servers:
            raise httpcore2.ConnectError(f"nobody answers at {host}")
        clear, tls = self._servers[host]
        is_tls = port == _HTTPS_PORT or (host, port) in self._tls_ports
        return await self._real.connect_tcp("127.0.0.1", tls if is_tls else clear, timeout)

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)

    async def aclose(self) -> None:
        self.trail.audit.close()
        await self._stack.aclose()


@asynccontextmanager
async def public_web(tmp_path: Path) -> AsyncGenerator[PublicWeb]:
    """An internet without hosts; add some with `host`."""
    internet = PublicWeb(tmp_path)
    try:
        yield internet
    finally:
        await internet.aclose()


@asynccontextmanager
async def public_host(
    tmp_path: Path, name: str, *routes: web.AbstractRouteDef
) -> AsyncGenerator[PublicWeb]:
    """An internet with one host."""
    async with public_web(tmp_path) as internet:
        await internet.host(name, *routes)
        yield internet
