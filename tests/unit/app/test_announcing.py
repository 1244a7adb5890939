"""The gateway announces itself when asked to, and only where others can reach it."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from carapace.app import announcing
from carapace.app.announcing import announce, fingerprint
from carapace.config.settings import Settings
from carapace.config.settings.discovery import DiscoverySettings, MdnsSettings
from carapace.config.settings.gateway import GatewaySettings, TlsSettings
from carapace.net import discovery
from carapace.server.bind import BindPlan
from carapace.telemetry.log import get_logger
from support.authority import Authority
from support.log_lines import log_lines
from support.polling import until

LAN = BindPlan(hosts=("0.0.0.0",))  # noqa: S104 - a plan, nobody listens


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Generator[list[dict[str, Any]]]:
    """What is logged; by a logger of its own, since one keeps the pipeline it first met."""
    with log_lines() as found:
        monkeypatch.setattr(announcing, "_log", get_logger("announcing"))
        yield found


def told(mode: Any, **gateway: Any) -> Settings:
    return Settings(
        discovery=DiscoverySettings(mdns=MdnsSettings(mode=mode)),
        gateway=GatewaySettings(port=18799, **gateway),
    )


async def test_off_means_nothing_happens(lines: list[dict[str, Any]]):
    await announce(told("off"), LAN)
    assert lines == []


async def test_a_gateway_of_this_machine_alone_says_why_it_is_not_announced(
    lines: list[dict[str, Any]],
):
    await announce(told("full"), BindPlan(hosts=("127.0.0.1", "::1")))
    assert "listens on this machine alone" in lines[0]["event"]


async def test_without_a_network_it_says_so_and_goes_on(
    lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(discovery, "own_addresses", lambda _hosts: [])
    await announce(told("minimal"), LAN)
    assert "no address that others could reach" in lines[0]["why"]


@pytest.mark.slow
async def test_it_is_found_while_it_runs(
    lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    # Tests reach nothing beyond this machine.
    monkeypatch.setattr(discovery, "own_addresses", lambda _hosts: ["127.0.0.1"])
    looking = AsyncZeroconf(interfaces=["127.0.0.1"])
    kind = "_openclaw-gw._tcp.local."
    async with asyncio.TaskGroup() as group:
        task = group.create_task(announce(told("minimal"), LAN))
        info = ServiceInfo(kind, f"Gateway.{kind}")
        assert await info.async_request(looking.zeroconf, 10_000)
        assert info.port == 18799
        await until(lambda: lines)
        task.cancel()
    await looking.async_close()
    assert lines[0]["event"] == "the gateway is announced on the network"


def test_the_fingerprint_is_of_the_certificate_alone(tmp_path: Path):
    certificate = Authority().pem()
    path = tmp_path / "both.pem"
    path.write_text("a key that comes first\n" + certificate)
    tls = TlsSettings(enabled=True, cert_path=str(path), key_path=str(path))
    der = ssl.PEM_cert_to_DER_cert(certificate)
    assert fingerprint(told("full", tls=tls)) == hashlib.sha256(der).hexdigest()
    assert fingerprint(told("full")) is None
