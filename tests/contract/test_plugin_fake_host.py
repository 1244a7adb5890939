"""The fake host that authors test against answers as the gateway's own capabilities do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest

from carapace.plugins.capabilities.config import ConfigCapability
from carapace.plugins.capabilities.credentials import CredentialsCapability
from carapace.plugins.capabilities.kv import KvCapability
from carapace.plugins.capabilities.secrets import ConfiguredSecrets, PluginSecrets
from carapace.plugins.errors import GuestError
from carapace.plugins.ports import CapabilityCall
from carapace.plugins.sdk.cases import HostSays
from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.fake_capabilities import FakeCapabilities
from support.capabilities import HeldConfig
from support.clock import FakeClock
from support.database import memory_database

CONFIG = {"greeting": "Grüß Gott", "nested": {"n": 1.5}, "list": [1, {"a": True}]}
CREDENTIALS = {"token": "s3cret", "unused": "x"}
MAX_BYTES = 640


@dataclass
class Side:
    """One of the two: the fake, or what the gateway has."""

    calls: dict[str, CapabilityCall]
    clock: FakeClock

    async def ask(self, interface: str, function: str, *arguments: Any) -> Any:
        return await self.calls[interface](function, list(arguments))

    async def code(self, interface: str, function: str, *arguments: Any) -> str:
        with pytest.raises(GuestError) as caught:
            await self.ask(interface, function, *arguments)
        return caught.value.code


@pytest.fixture(params=["fake", "real"])
async def side(request: pytest.FixtureRequest) -> AsyncGenerator[Side]:
    clock = FakeClock()
    if request.param == "fake":
        fake = FakeCapabilities(HostSays(CONFIG, CREDENTIALS), kv_max_bytes=MAX_BYTES)
        fake.host._now_ms = lambda: float(clock.now_ms())
        yield Side(fake.calls(["kv", "config", "credentials"]), clock)
        return
    names = frozenset(CREDENTIALS)
    held = HeldConfig({**CONFIG, **CREDENTIALS})
    secrets = PluginSecrets(names, ConfiguredSecrets(names, held))
    async with memory_database() as database:
        yield Side(
            {
                "kv": KvCapability("p", database, clock=clock, max_bytes=MAX_BYTES).call,
                "config": ConfigCapability(HeldConfig(CONFIG), secrets, names).call,
                "credentials": CredentialsCapability(secrets).call,
            },
            clock,
        )


async def test_revisions_grow_with_every_write(side: Side):
    first = await side.ask("kv", "put", "a", "1", None)
    other = await side.ask("kv", "put", "b", "1", None)
    assert first < other < await side.ask("kv", "put", "a", "2", None)
    await side.ask("kv", "delete", "a")
    assert await side.ask("kv", "put", "a", "3", None) > other
    entry = await side.ask("kv", "get", "a")
    assert (entry["key"], entry["value"]) == ("a", "3")


async def test_compare_and_set_writes_only_over_what_it_expects(side: Side):
    first = await side.ask("kv", "compare-and-set", "a", None, "1", None)
    assert first is not None
    assert await side.ask("kv", "compare-and-set", "a", None, "2", None) is None
    assert await side.ask("kv", "compare-and-set", "a", first + 1, "2", None) is None
    assert await side.ask("kv", "compare-and-set", "a", first, "2", None) is not None


async def test_what_ends_is_gone(side: Side):
    await side.ask("kv", "put", "a", "1", 1000.0)
    await side.clock.advance(0.999)
    assert await side.ask("kv", "get", "a") is not None
    await side.clock.advance(0.001)
    assert await side.ask("kv", "get", "a") is None
    assert await side.ask("kv", "scan", "", None, 100) == []
    assert await side.ask("kv", "delete", "a") is False
    assert await side.ask("kv", "compare-and-set", "a", None, "2", None) is not None


async def test_a_scan_is_in_order_of_keys_and_goes_on_after_one(side: Side):
    for key in ("b/2", "a", "b/1", "b/\u00e9", "b/\U0001f600", "b/\uffff", "c"):
        await side.ask("kv", "put", key, "", None)
    found = await side.ask("kv", "scan", "b/", None, 100)
    keys = [each["key"] for each in found]
    assert keys == ["b/1", "b/2", "b/\u00e9", "b/\uffff", "b/\U0001f600"]
    after = await side.ask("kv", "scan", "b/", "b/1", 2)
    assert [each["key"] for each in after] == keys[1:3]
    assert await side.ask("kv", "scan", "", None, 0) == []


async def test_a_full_store_takes_no_more(side: Side):
    for number in range(8):
        await side.ask("kv", "put", f"{number}", "x" * 10, None)
    assert await side.code("kv", "put", "9", "x" * 10, None) == "quota"
    assert await side.code("kv", "compare-and-set", "9", None, "x" * 10, None) == "quota"
    await side.ask("kv", "put", "4", "y" * 10, None)
    await side.ask("kv", "delete", "0")
    await side.ask("kv", "put", "9", "x" * 10, None)


@pytest.mark.parametrize(
    "key", ["greeting", "nested", "nested.n", "list", "gone", "nested.gone", "greeting.x", ""]
)
async def test_settings_read_alike(side: Side, key: str):
    fake = FakeCapabilities(HostSays(CONFIG), kv_max_bytes=0).calls(["config"])
    assert await side.ask("config", "get", key) == await fake["config"]("get", [key])


async def test_secrets_are_compared_and_signed_with(side: Side):
    assert await side.ask("credentials", "names") == ["token", "unused"]
    assert await side.ask("credentials", "verify", "token", "s3cret") is True
    assert await side.ask("credentials", "verify", "token", "other") is False
    for name, known in (("sha1", hashlib.sha1), ("sha256", hashlib.sha256)):
        made = await side.ask("credentials", "hmac", "token", name, "text")
        assert made == hmac.new(b"s3cret", b"text", known).hexdigest()
    assert await side.code("credentials", "verify", "other", "x") == "not-granted"


def test_the_fake_has_every_function_of_the_contract():
    host = FakeCapabilities(HostSays(), kv_max_bytes=0).host
    for name in contract().worlds["everything"].imports:
        for function in contract().interfaces[name].functions:
            assert callable(getattr(host, f"_{name}_{function}".replace("-", "_")))
