"""The tailnet's daemon is asked through its socket; any doubt is a no."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from carapace.auth.tailscale import TailscaleWhois, verified_login
from carapace.net.unix import unix_client
from support.auth import REMOTE
from support.clock import FakeClock
from support.tcp_peer import tcp_peer

PHONE, TAGGED, DOWN, ODD, EMPTY = (f"100.64.0.{n}" for n in range(1, 6))


class Daemon:
    """Answers like the daemon's local API, as far as whois goes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status, body = self.answer(head.decode())
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def answer(self, head: str) -> tuple[int, str]:
        target = head.split(" ")[1]
        fields = {line.partition(":")[0].lower() for line in head.split("\r\n")[1:]}
        if "origin" in fields or "referer" in fields or "local-tailscaled.sock" not in head:
            return 403, "invalid localapi request"
        if urlsplit(target).path != "/localapi/v0/whois":
            return 404, "not found"
        address = parse_qs(urlsplit(target).query).get("addr", [""])[0]
        self.asked.append(address)
        answers = {
            PHONE: (200, _who("ada@example.com")),
            TAGGED: (200, _who("tagged-devices", ["tag:server"])),
            DOWN: (403, "whois access denied"),
            ODD: (200, "not json"),
            EMPTY: (200, _who("")),
        }
        return answers.get(address, (404, f"no match for {address}"))


def _who(login: str, tags: list[str] | None = None) -> str:
    node = {"Name": "phone.tail.ts.net.", "StableID": "n1", **({"Tags": tags} if tags else {})}
    profile = {"ID": 1, "LoginName": login, "DisplayName": "Ada"}
    return json.dumps({"Node": node, "UserProfile": profile, "CapMap": None})


@asynccontextmanager
async def _daemon(folder: Path) -> AsyncGenerator[tuple[Daemon, TailscaleWhois, FakeClock]]:
    daemon, clock, path = Daemon(), FakeClock(), str(folder / "tailscaled.sock")
    whois = TailscaleWhois(lambda: unix_client(path), clock=clock)
    async with tcp_peer(daemon.serve, path=path):
        try:
            yield daemon, whois, clock
        finally:
            await whois.aclose()


async def test_the_daemon_names_the_owner(tmp_path: Path):
    async with _daemon(tmp_path) as (daemon, whois, _):
        assert await whois.login_of(PHONE) == "ada@example.com"
        assert daemon.asked == [PHONE]


@pytest.mark.parametrize("address", [TAGGED, DOWN, ODD, EMPTY, "100.64.9.9"])
async def test_nobody_in_particular_is_nobody(tmp_path: Path, address: str):
    async with _daemon(tmp_path) as (daemon, whois, _):
        assert await whois.login_of(address) is None
        assert daemon.asked == [address]


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1", "", "x"])
async def test_only_tailnet_addresses_are_asked_about(tmp_path: Path, address: str):
    async with _daemon(tmp_path) as (daemon, whois, _):
        assert await whois.login_of(address) is None
        assert daemon.asked == []


async def test_answers_are_kept_for_half_a_minute(tmp_path: Path):
    async with _daemon(tmp_path) as (daemon, whois, clock):
        for _ in range(3):
            await whois.login_of(PHONE)
        await clock.advance(31)
        await whois.login_of(PHONE)
        assert daemon.asked == [PHONE, PHONE]


async def test_the_memory_of_answers_is_bounded(tmp_path: Path):
    async with _daemon(tmp_path) as (_, whois, _clock):
        for number in range(300):
            await whois.login_of(f"100.65.{number // 256}.{number % 256}")
        assert len(whois._cache) == 256


async def test_no_daemon_is_no_identity(tmp_path: Path):
    path = str(tmp_path / "nothing.sock")
    whois = TailscaleWhois(lambda: unix_client(path), clock=FakeClock())
    assert await whois.login_of(PHONE) is None
    await whois.aclose()
    await whois.aclose()


SERVED = replace(
    REMOTE, peer_ip="127.0.0.1", tailscale_login="Ada@Example.com", forwarded_for=PHONE
)


async def test_header_and_daemon_must_agree(tmp_path: Path):
    async with _daemon(tmp_path) as (daemon, whois, _):
        assert await verified_login(SERVED, whois) == "ada@example.com"
        assert await verified_login(replace(SERVED, tailscale_login="bob@x"), whois) is None
        assert await verified_login(replace(SERVED, forwarded_for=TAGGED), whois) is None
        asked = len(daemon.asked)
        assert await verified_login(replace(SERVED, tailscale_login=None), whois) is None
        assert await verified_login(replace(SERVED, forwarded_for=None), whois) is None
        assert len(daemon.asked) == asked
