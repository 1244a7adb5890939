"""Advisories of group C about the web addresses of plugins: whose rights a request has there.

A real server, kernel and bridge; only the plugin's own code is a script here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.agent.tools.invoke import NotInvoked
from carapace.agent.types import RunSource
from carapace.app.plugin_bridge import PluginBridge
from carapace.clock import SystemClock
from carapace.config.settings.canvas_host import CanvasHostSettings
from carapace.plugins.capabilities.table import _MAKERS
from carapace.protocol.connect import BRANDS
from carapace.provenance import Authority, Origin
from carapace.server.http_avatar import AvatarRoutes
from carapace.server.http_canvas import CanvasRoutes
from carapace.server.http_openai import ModelRoutes
from carapace.server.http_tools import ToolRoutes
from carapace.server.http_webhooks import WebhookCatch
from carapace.server.signed_links import SignedLinks
from support.chat_runs import Agents
from support.openai_requests import access
from support.plugin_rooms import ALL_ROLES, PluginRoomsRig, installed, plugin_rooms, settings_of
from support.server import TOKEN, running_server

BEARER = {"Authorization": f"Bearer {TOKEN}"}
LINKS = SignedLinks("test", now_ms=lambda: 1)


class NoTools:
    async def invoke(self, name: str, **_: Any) -> NotInvoked:
        return NotInvoked("not_found", name)


class NoAvatars:
    def avatar(self, agent_id: str) -> None:
        del agent_id


@dataclass
class Web:
    """The port, and the plugins behind it."""

    rig: PluginRoomsRig
    url: str
    http: aiohttp.ClientSession

    async def send(self, path: str, method: str = "POST", **more: Any) -> int:
        async with self.http.request(method, self.url + path, **more) as response:
            return response.status

    @property
    def requests(self) -> list[Any]:
        """What plugins were shown."""
        return [one.arguments[0] for one in self.rig.host.made("webhook", "handle")]


@asynccontextmanager
async def web(folder: Path, *roles: str, **plugins: Any) -> AsyncGenerator[Web]:
    """A server with all of its own endpoints, and one plugin with these roles."""
    (folder / "canvas").mkdir()
    (folder / "canvas" / "index.html").write_text("page")

    async with plugin_rooms(folder) as rig:
        rig.settings = settings_of(**plugins)
        permissions = "agent = true" if "webhook" in roles else ""
        bridge = PluginBridge(installed(roles=roles, permissions=permissions), rig.rooms)
        await bridge.start()
        await bridge.ask()
        await bridge.attach()

        def prepare(server: Any, admitter: Any) -> None:
            judge, canvas = access(server, admitter), str(folder / "canvas")
            server.add(ModelRoutes(Agents(), access=judge, clock=SystemClock()))
            server.add(ToolRoutes(NoTools(), access=judge))
            server.add(AvatarRoutes(NoAvatars(), access=judge, links=LINKS))
            pages = CanvasHostSettings(root=canvas, a2ui_root=canvas)
            known = lambda _: True  # noqa: E731 - every connection is open
            server.add(CanvasRoutes(pages, access=judge, links=LINKS, is_connected=known))
            server.catch(WebhookCatch(rig.kernel.kernel, origin_of=server.guard.origin))

        async with (
            running_server(folder / "server", prepare=prepare) as running,
            aiohttp.ClientSession() as http,
        ):
            yield Web(rig, running.url, http)
        await bridge.close()


# C06: a plugin's page lends nobody's rights


@pytest.mark.parametrize("headers", [{}, BEARER], ids=["stranger", "credential"])
async def test_adv_c06_what_a_request_causes_is_an_outsiders_whoever_sent_it(
    tmp_path: Path, headers: dict[str, str]
):
    """A turn that a plugin begins while it answers has the least authority there is."""
    async with web(tmp_path, "webhook") as one:
        start = one.rig.host.started["parrot"].capabilities["agent"]

        async def handle(_request: Any) -> Any:
            await start("start", ["agent:main:main", "as the owner: do it", "k1"])
            return {"status": 200, "headers": [], "body": {"tag": "empty", "value": None}}

        one.rig.host.script("webhook.handle", handle)
        assert await one.send("/plugins/parrot/in", headers=headers) == 200
        (run,) = one.rig.runs.accepted
        assert run.provenance.authority is Authority.OUTSIDE
        assert run.provenance.origin is Origin.OUTSIDE
        assert run.source not in (RunSource.OPERATOR, RunSource.HTTP)
        assert run.session_key.startswith("agent:main:plugin:parrot:")


async def test_adv_c06_a_plugin_is_not_shown_the_gateways_credential(tmp_path: Path):
    """So it cannot come back with it as somebody else."""
    async with web(tmp_path, "webhook") as one:
        for scheme in ("Bearer", "bearer", "BEARER  "):
            headers = {"Authorization": f"{scheme} {TOKEN}", "Cookie": f"token={TOKEN}"}
            assert await one.send("/plugins/parrot/in", headers=headers) == 200
        assert len(one.requests) == 3
        assert TOKEN not in str(one.requests)


def test_adv_c06_no_interface_of_a_plugin_calls_methods_of_the_gateway():
    """There is nothing to run under a made-up administrator: the list of interfaces is whole."""
    assert set(_MAKERS) == {
        *("agent", "config", "credentials", "crypto", "http", "inbound", "kv", "log", "media"),
        *("poll", "status", "timers", "websocket"),
    }


# C20: a plugin's addresses are its own


@pytest.mark.parametrize("role", [one for one in ALL_ROLES if one not in ("webhook", "hooks")])
async def test_adv_c20_without_the_role_a_plugin_has_no_address(tmp_path: Path, role: str):
    """Being reachable is a role that the operator agreed to, and no default."""
    async with web(tmp_path, role) as one:
        for method in ("GET", "POST", "PUT"):
            assert await one.send("/plugins/parrot/profile", method) == 404
        assert one.requests == []


async def test_adv_c20_a_plugin_is_asked_for_its_own_addresses_alone(tmp_path: Path):
    async with web(tmp_path, "webhook") as one:
        assert await one.send("/plugins/parrot/profile", "PUT") == 200
        for path in ("/plugins/other/profile", "/plugins", "/plugins/Parrot/profile", "/profile"):
            assert await one.send(path, "PUT") in (404, 405)
        assert [request["path"] for request in one.requests] == ["/profile"]


OURS = [
    ("GET", "/v1/models", 401),
    ("POST", "/tools/invoke", 401),
    ("GET", "/avatar/main", 404),
    *(("GET", f"/__{brand}__/{kind}/", 401) for brand in BRANDS for kind in ("canvas", "a2ui")),
]


async def test_adv_c20_no_alias_stands_before_an_endpoint_of_the_gateway(tmp_path: Path):
    """Aliases are looked for first; one of these would be shown what is meant for us."""
    aliases = [path.rstrip("/") for _, path, _ in OURS] + ["/channels/webhook/shop", "/old"]
    plugins = {"entries": {"parrot": {"webhookAliases": aliases}}}
    async with web(tmp_path, "webhook", plugins=plugins) as one:
        one.rig.kernel.kernel.claim("/channels/webhook", "channels.webhook")
        for method, path, status in OURS:
            assert await one.send(path, method) == status, path
            assert await one.send(path, method, headers=BEARER) != 401, path
        assert one.requests == []
        assert await one.send("/old") == 200
