"""What hello-ok and the periodic events show."""

from __future__ import annotations

import msgspec
import pytest

from carapace import __version__
from carapace.app.source import Source, own_names, own_presence
from carapace.config.paths import PathFlags, resolve_paths
from carapace.sessions.types import SessionPolicy
from support.methods import MethodHouse, method_house


def source_of(house: MethodHouse, policy: SessionPolicy) -> Source:
    services = house.services
    paths = resolve_paths({}, PathFlags(config="/c.json", state_dir="/s"))
    return Source(
        services.health, services.presence, policy=lambda: policy, paths=paths, clock=house.clock
    )


async def test_everything_comes_from_memory():
    async with method_house() as house:
        await house.services.health.renew()
        source = source_of(house, SessionPolicy())
        assert msgspec.json.decode(source.health())["ok"]
        assert msgspec.json.decode(source.presence())[0]["reason"] == "self"
        version = source.state_version()
        assert (version.presence, version.health) == (house.services.presence.version, 1)
        assert source.paths() == ("/c.json", "/s")


@pytest.mark.parametrize(("one_for_all", "scope"), [(False, "per-sender"), (True, "global")])
async def test_a_client_is_told_which_session_it_gets(one_for_all: bool, scope: str):
    async with method_house() as house:
        policy = SessionPolicy(main_key="home", one_for_all=one_for_all)
        assert source_of(house, policy).session_defaults() == {
            "defaultAgentId": "main",
            "mainKey": "home",
            "mainSessionKey": "agent:main:home",
            "scope": scope,
        }


def test_names_are_lower_case_short_and_long():
    names = own_names()
    assert names == tuple(name.lower() for name in names)
    assert names[-1].endswith(".local")
    assert len(set(names)) == len(names)


def test_the_gateways_own_entry_tells_no_address_of_an_interface():
    entry = own_presence(5)
    assert (entry.ip, entry.mode, entry.reason, entry.ts) == ("127.0.0.1", "gateway", "self", 5)
    assert entry.version == __version__
