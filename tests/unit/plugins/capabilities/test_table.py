"""A manifest opens what it names, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from carapace.config.settings.net import ProxySettings
from carapace.errors import Refused
from carapace.plugins.capabilities.table import (
    Capabilities,
    CapabilityServices,
    CapabilitySettings,
    build,
)
from carapace.plugins.package.manifest import Manifest
from carapace.plugins.package.permissions import ALWAYS, Permissions
from carapace.plugins.sdk.wit.syntax import parse
from support.capabilities import (
    EVENT,
    HeldConfig,
    HeldSecrets,
    RecordingAgent,
    RecordingBoard,
    RecordingEvents,
    RecordingInbox,
    code_of,
    eventually,
    plain_request,
    plugin_media,
)
from support.clock import FakeClock
from support.egress import NameTable, make_egress, serving

WIT = Path(__file__).parents[4] / "wit" / "plugin.wit"
ALL = Permissions(
    http=("GET https://api.example/v1/**",),
    websocket=("wss://api.example/socket",),
    credentials=("token",),
    media=True,
    inbound=True,
    timers=True,
    poll=True,
    crypto=True,
    agent=True,
    kv_max_bytes=1000,
)
"""Everything that can be asked for."""


def manifest(permissions: Permissions) -> Manifest:
    return Manifest(
        id="demo",
        version="1.0.0",
        name="Demo",
        roles=("service",),
        permissions=permissions,
        wit="1.0",
    )


@pytest.fixture
async def services(tmp_path: Path) -> AsyncGenerator[CapabilityServices]:
    egress, _ = make_egress(tmp_path / "net", names=NameTable())
    async with plugin_media(tmp_path, egress) as (door, house):
        yield CapabilityServices(
            database=house.database,
            clock=FakeClock(),
            egress=egress,
            status=RecordingBoard(),
            events=RecordingEvents(),
            media=door,
            inbound=RecordingInbox(),
            turns=RecordingAgent(),
        )


def make(services: CapabilityServices, permissions: Permissions = ALL, **more: Any) -> Capabilities:
    settings = CapabilitySettings(config=HeldConfig({"token": "abc-secret"}), **more)
    return build(manifest(permissions), settings, services)


async def test_everything_can_be_opened_as_the_contract_writes_it(services):
    capabilities = make(services)
    package = parse(WIT.read_text())
    contract = {
        name: set(package.interfaces[name].functions)
        for name in package.worlds["everything"].imports
    }
    assert set(capabilities.calls) == set(contract)
    for name, call in capabilities.calls.items():
        assert call.functions == contract[name], name  # pyright: ignore[reportFunctionMemberAccess] - a Dispatch
    await capabilities.aclose()


async def test_every_way_out_goes_through_the_accounts_proxy(services):
    """One that cannot be read shows it: nothing goes around it."""
    broken = ProxySettings(url="http://0x7f.1:3128")
    capabilities = make(services, proxies=lambda: {"default": broken})
    calls, url = capabilities.calls, "https://api.example/v1/x"
    socket = ["s", "wss://api.example/socket", [], []]
    assert await code_of(calls["http"]("fetch", [plain_request(url)])) == "not-configured"
    assert await code_of(calls["media"]("fetch", [url, 1_000.0])) == "not-configured"
    assert await code_of(calls["websocket"]("open", socket)) == "not-configured"
    assert await code_of(calls["crypto"]("jwks", [url])) == "not-configured"
    await calls["poll"]("start", ["p", plain_request(url), ""])
    (brought,) = await services.events.count(1)
    assert "not-configured" in str(brought)
    await capabilities.aclose()


async def test_without_permissions_little_is_open(services):
    capabilities = make(services, Permissions())
    assert set(capabilities.calls) == ALWAYS
    await capabilities.resume()
    await capabilities.aclose()


@pytest.mark.parametrize(
    ("permissions", "opened"),
    [
        (Permissions(http=ALL.http), {"http"}),
        (Permissions(credentials=("token",)), {"credentials"}),
        (Permissions(kv_max_bytes=1), {"kv"}),
        (Permissions(media=True), {"media"}),
        (Permissions(timers=True), {"timers"}),
        (Permissions(websocket=ALL.websocket), {"websocket"}),
    ],
)
async def test_each_line_opens_one_interface(services, permissions, opened):
    capabilities = make(services, permissions)
    assert set(capabilities.calls) - ALWAYS == opened
    await capabilities.aclose()


@pytest.mark.parametrize(
    ("missing", "permissions"),
    [
        ("media", Permissions(media=True)),
        ("inbound", Permissions(inbound=True)),
        ("turns", Permissions(agent=True)),
        ("events", Permissions(timers=True)),
        ("events", Permissions(http=ALL.http, poll=True)),
        ("events", Permissions(websocket=ALL.websocket)),
    ],
)
async def test_what_the_house_lacks_is_refused(services, missing, permissions):
    with pytest.raises(Refused, match="needs"):
        make(replace(services, **{missing: None}), permissions)
    assert make(replace(services, **{missing: None}), Permissions())


async def test_files_need_their_own_permission(services):
    capabilities = make(services, replace(ALL, media=False))
    wish = plain_request("https://api.example/v1/x", want="media")
    assert await code_of(capabilities.calls["http"]("fetch", [wish])) == "not-granted"
    await capabilities.aclose()


async def test_rules_of_sockets_and_requests_are_apart(services):
    capabilities = make(services)
    wish = plain_request("https://api.example/socket")
    assert await code_of(capabilities.calls["http"]("fetch", [wish])) == "not-granted"
    socket = ["s", "wss://api.example/v1/x", [], []]
    assert await code_of(capabilities.calls["websocket"]("open", socket)) == "not-granted"
    await capabilities.aclose()


async def test_the_operator_may_name_a_server_of_our_own(services):
    async def give(_: web.Request) -> web.Response:
        return web.Response(text="ours")

    async with serving(web.get("/x", give)) as port:
        url = f"http://127.0.0.1:{port}"
        capabilities = make(services, http=(f"GET {url}/**",))
        answer = await capabilities.calls["http"]("fetch", [plain_request(url + "/x")])
        assert answer["body"]["value"] == "ours"
        await capabilities.aclose()


async def test_a_rule_of_the_operator_that_cannot_be_read_is_refused(services):
    with pytest.raises(Refused, match=r"plugins\.entries\.demo\.http"):
        make(services, http=("everything",))


async def test_secrets_come_from_the_configuration_or_from_a_holder(services):
    capabilities = make(services)
    assert await capabilities.calls["credentials"]("names", []) == ["token"]
    await capabilities.aclose()
    held = HeldSecrets(token="x-secret", work__token="y-secret")
    capabilities = make(replace(services, secrets=held))
    assert await capabilities.calls["credentials"]("names", []) == ["token", "work/token"]
    await capabilities.aclose()


async def test_the_services_are_bound_to_the_plugin(services):
    capabilities = make(services)
    calls = capabilities.calls
    await calls["log"]("emit", ["debug", "hello"])
    assert await calls["config"]("get", ["token"]) == '"token"'
    await calls["status"]("set", ["default", "running", "fine"])
    assert services.status.shown == [("demo", "default", "running", "fine")]
    assert await calls["inbound"]("deliver", [EVENT]) == "accepted"
    assert await calls["agent"]("start", ["main", "hi", "k"]) == "run of plugin:demo:k"
    assert await calls["kv"]("put", ["k", "v", None]) == 1
    assert await code_of(calls["kv"]("put", ["l", "x" * 1000, None])) == "quota"
    assert await code_of(calls["media"]("info", ["m-1"])) == "not-found"
    keys = calls["crypto"]("jwks", ["https://evil.example/"])
    assert await code_of(keys) == "not-granted"
    assert await calls["poll"]("stop", ["p"]) is False
    assert await calls["websocket"]("close", ["s"]) is False
    await capabilities.aclose()


async def test_what_is_held_begins_with_resume(services):
    capabilities = make(services)
    await capabilities.calls["timers"]("set", ["t", 0, "p"])
    await capabilities.resume()
    assert await services.events.count(1) == [("timer", "t", "p")]

    async def is_crossed_out() -> bool:
        return not await capabilities.calls["timers"]("cancel", ["t"])

    await eventually(is_crossed_out)
    await capabilities.aclose()
