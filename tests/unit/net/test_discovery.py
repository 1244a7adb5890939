"""Apps on the network find the gateway if it is told to them, and learn no more than they need."""

from __future__ import annotations

import asyncio
import builtins
import gc
import warnings
from typing import Any

import pytest
from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from carapace.errors import Failed
from carapace.net.discovery import SERVICE_TYPES, Advertisement, Advertiser, own_addresses

EVERYWHERE = "0.0.0.0"  # noqa: S104 - an address to ask about
HERE = Advertisement(mode="minimal", name="den.example", port=18789, addresses=["127.0.0.1"])


def full(**more: Any) -> Advertisement:
    return Advertisement(
        mode="full", name="Den of Ann!", port=18789, addresses=["192.0.2.7"], **more
    )


def test_minimal_tells_the_port_and_no_name():
    assert HERE.texts() == {
        "role": "gateway",
        "transport": "gateway",
        "displayName": "Gateway",
        "gatewayPort": "18789",
    }
    assert HERE.host == "carapace-gateway.local"


def test_full_tells_name_certificate_and_canvas():
    texts = full(tls_sha256="ab" * 32, canvas_port=18789).texts()
    assert texts["displayName"] == "Den of Ann!"
    assert texts["lanHost"] == "Den-of-Ann.local"
    assert (texts["gatewayTls"], texts["gatewayTlsSha256"]) == ("1", "ab" * 32)
    assert texts["canvasPort"] == "18789"


@pytest.mark.parametrize("name", ["", "!!!", "é" * 80])
def test_any_name_makes_a_label_of_dns(name: str):
    label = Advertisement(mode="full", name=name, port=1, addresses=[]).host.removesuffix(".local")
    assert 0 < len(label.encode()) <= 63


def test_loopback_is_never_an_address_for_others():
    assert own_addresses(["127.0.0.1", "192.0.2.7", "::1"]) == ["192.0.2.7"]
    assert "127.0.0.1" not in own_addresses([EVERYWHERE])


@pytest.mark.slow
async def test_apps_of_every_brand_find_it_until_it_says_goodbye():
    advertiser = Advertiser()
    looking = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    try:
        await advertiser.start(HERE)
        for kind in SERVICE_TYPES:
            info = ServiceInfo(f"{kind}.local.", f"Gateway.{kind}.local.")
            assert await info.async_request(looking.zeroconf, 5_000)
            assert (info.port, info.parsed_addresses()) == (18789, ["127.0.0.1"])
            assert info.decoded_properties == HERE.texts()
        await advertiser.aclose()
        gone = ServiceInfo(f"{SERVICE_TYPES[0]}.local.", f"Gateway.{SERVICE_TYPES[0]}.local.")
        async with asyncio.timeout(10):
            while await gone.async_request(looking.zeroconf, 200):
                gone = ServiceInfo(gone.type, gone.name)
    finally:
        await advertiser.aclose()
        await looking.async_close()


async def test_an_address_that_is_not_here_is_an_error_with_its_reason():
    with warnings.catch_warnings():
        # The library leaves the socket to the collector that it could not use.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(Failed, match="cannot be announced"):
            await Advertiser().start(full())
        gc.collect()


async def test_without_any_address_nothing_is_announced():
    with pytest.raises(Failed, match="no address that others could reach"):
        await Advertiser().start(Advertisement(mode="full", name="x", port=1, addresses=[]))


async def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def absent(name: str, *more: Any, **others: Any) -> Any:
        if name.split(".", maxsplit=1)[0] in {"zeroconf", "ifaddr"}:
            raise ImportError(name)
        return real(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(Failed, match=r"carapace-gateway\[discovery\]"):
        await Advertiser().start(HERE)
    with pytest.raises(Failed, match=r"carapace-gateway\[discovery\]"):
        own_addresses([EVERYWHERE])
