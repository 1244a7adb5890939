"""A real plugin tries to get out, and everything is watched from outside.

The guest of `tests/guests/probe/` does what it is told, in a real worker, through the real
capabilities: requests go through the real egress to servers of the test, which note what
reaches them; entries lie in a real database beside those of another plugin; the worker's
memory is read through `/proc`.
"""

from __future__ import annotations

import base64
import json
import platform
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from msgspec.structs import replace

from carapace.app.plugin_doors import OwnConfig
from carapace.clock import SystemClock
from carapace.config.settings import Settings
from carapace.plugins.capabilities.table import (
    Capabilities,
    CapabilityServices,
    CapabilitySettings,
    build,
)
from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.host.aot_cache import AotCache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.host.worker import COMMAND
from carapace.plugins.sdk.local_host import loaded
from carapace.plugins.sdk.project import Project, open_project
from carapace.store.sqlite import SqliteDatabase
from support.capabilities import RecordingBoard
from support.database import memory_database
from support.log_lines import log_lines
from support.plugin_house import HouseUnderTest
from support.plugin_packages import GUESTS, packed
from support.plugin_rooms import settings_of
from support.public_web import PublicWeb, public_web

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform == "win32", reason="workers speak over Unix sockets"),
]

TOKEN = "canary/7f3a+own=token"
OTHERS = {
    "gateway": "canary/11c4+gateway=token",
    "plugin": "canary/52d9+other=token",
    "channel": "canary/83e0+channel=secret",
    "entry": "canary/a4f7+other=entry",
    "environment": "canary/c5b8+environment=key",
}
MARK = "mark-2b1d-of-an-answer"
"""What the guest may see: that it is found shows that looking for it works."""

REDIRECTS = {
    "inside": "/v1/x",
    "to-other-host": "https://evil.example/v1/x",
    "to-below": "https://api.example.evil.example/v1/x",
    "up": "../admin",
    "up-encoded": "/v1/%2e%2e/admin",
    "to-root": "/admin",
    "to-port": "https://api.example:8443/v1/x",
    "to-clear": "http://api.example/v1/x",
    "to-user": "https://me@api.example/v1/x",
    "to-number": "https://127.0.0.1/v1/x",
    "to-network-path": "//evil.example/v1/x",
    "to-file": "file:///etc/passwd",
}


@dataclass
class World:
    """Two hosts, a plugin, and what everybody saw.

    Attributes:
        heard: Host and path of each request that reached a server, in order.
        told: All that the plugin's callers were told, errors and traps too.
    """

    internet: PublicWeb
    database: SqliteDatabase
    host: WorkerHost
    heard: list[str] = field(default_factory=list[str])
    secrets: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])

    async def serve(self, request: web.Request) -> web.Response:
        """Redirect where the path says so; else answer with all that came, as debug pages do."""
        self.heard.append(f"{request.host}{request.raw_path.partition('?')[0]}")
        self.secrets.append(request.headers.get("Authorization", "") + request.raw_path)
        where = REDIRECTS.get(request.path.rpartition("/")[2])
        headers = {"X-Seen": request.headers.get("Authorization", "-")}
        if where is not None:
            return web.Response(status=302, headers={**headers, "Location": where})
        text = f"{MARK} {request.raw_path} {dict(request.headers)}"
        return web.Response(text=text, headers=headers)

    async def try_it(self, what: str, text: str = "") -> str:
        """The guest's answer, or the code of its error."""
        try:
            said = await self.host.call("probe", "tool", "invoke", what, text, instance="service")
        except GuestError as error:
            self.told.append(f"{error!r} {error.message}")
            return error.code
        except GuestTrap as trap:
            self.told.append(f"{trap!r} {trap.text}")
            return trap.kind
        self.told.append(said)
        return said

    async def reach(self, method: str, url: str) -> list[str]:
        """What servers hear when the guest asks for this; it is told no more than they say."""
        before, dialled = len(self.heard), len(self.internet.dialled)
        answer = await self.try_it(method, url)
        heard = self.heard[before:]
        assert (MARK in answer) == any(one.endswith("/v1/x") for one in heard), (url, answer)
        assert heard or len(self.internet.dialled) == dialled, f"{url} opened a connection"
        return heard

    def memory(self) -> bytes:
        """All of the worker's memory that is its own."""
        pid = self.host.state("probe").pid
        found: list[bytes] = []
        with (
            Path(f"/proc/{pid}/maps").open(encoding="ascii") as maps,
            Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory,
        ):
            for line in maps:
                area, rights = line.split()[:2]
                start, end = (int(one, 16) for one in area.split("-"))
                if rights.startswith("rw"):
                    memory.seek(start)
                    while start < end and (data := memory.read(min(end - start, 1 << 22))):
                        found.append(data)
                        start += len(data)
        return b"".join(found)


def house_settings() -> Settings:
    """A configuration with a secret in every corner; one of them is the plugin's own."""
    return settings_of(
        gateway={"auth": {"token": OTHERS["gateway"]}},
        channels={"webhook": {"secret": OTHERS["channel"]}, "other": {"color": "blue"}},
        plugins={
            "entries": {
                "probe": {"config": {"botToken": TOKEN, "color": "red"}},
                "other": {"config": {"botToken": OTHERS["plugin"], "color": "green"}},
            }
        },
    )


def capabilities_of(project: Project, plugin_id: str, world: World) -> Capabilities:
    """What the manifest opens, as the gateway builds it."""
    return build(
        replace(project.manifest, id=plugin_id),
        CapabilitySettings(config=OwnConfig(plugin_id, house_settings)),
        CapabilityServices(
            database=world.database,
            clock=SystemClock(),
            egress=world.internet.egress,
            status=RecordingBoard(),
        ),
    )


@asynccontextmanager
async def a_world(folder: Path) -> AsyncGenerator[World]:
    packed(GUESTS / "probe", folder)
    project = open_project(folder / "probe-as-it-is")
    shared = HouseUnderTest(folder / "house").house
    cache = AotCache(folder / "compiled", b"k" * 32, audit=shared.audit)
    house = replace(shared, artifacts=CompiledPlugins(cache, Compiler()), command=COMMAND)
    async with public_web(folder) as internet, memory_database() as database:
        world = World(internet, database, WorkerHost(house))
        for name in ("api.example", "evil.example", "api.example.evil.example"):
            await internet.host(name, web.route("*", "/{rest:.*}", world.serve))
        internet.speak_tls_on("api.example", 8443)
        capabilities = capabilities_of(project, "probe", world)
        other = capabilities_of(project, "other", world)
        try:
            await other.calls["kv"]("put", ["theirs", OTHERS["entry"], None])
            await world.host.start(loaded(project, capabilities.calls))
            yield world
        finally:
            await world.host.aclose()
            await capabilities.aclose()
            await other.aclose()


@pytest.fixture(name="world")
async def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[World]:
    monkeypatch.setenv("CARAPACE_CANARY", OTHERS["environment"])
    async with a_world(tmp_path) as world:
        yield world


ADMITTED = {
    "https://api.example/v1/x": "/v1/x",
    "https://API.example:443/v1/x": "/v1/x",
    "https://api.example/v1/x?q=/v1/../admin": "/v1/x",
}
"""URL -> what the server hears."""

REFUSED = [
    "https://api.example/admin",
    "https://api.example/v1x",
    "https://api.example/V1/x",
    "https://api.example/v1/../admin",
    "https://api.example/v1/../../v1/../admin",
    "https://api.example/v1/deep/../../admin/../v1/x",
    "https://api.example/v1/./../admin",
    "https://api.example/v1//../../admin",
    "https://api.example/v1/%2e%2e/admin",
    "https://api.example/v1/%2E%2e/admin",
    "https://api.example/v1/.%2e/admin",
    "https://api.example/v1/%252e%252e/admin",
    "https://api.example/v1/..%2fadmin",
    "https://api.example/v1/..%5cadmin",
    "https://api.example/v1/x%2f..%2f..%2fadmin",
    "https://api.example/v1/..\\admin",
    "https://api.example/v1/..;/admin",
    "https://api.example/v1/%2e%2e;x=1/admin",
    "https://api.example/v1/%c0%ae%c0%ae/admin",
    "https://api.example/v1/..%00/admin",
    "https://api.example/v1/\r\nHost: evil.example\r\n/x",
    "https://api.example:8443/v1/x",
    "https://api.example:80/v1/x",
    "http://api.example/v1/x",
    "http://api.example:443/v1/x",
    "https://me@api.example/v1/x",
    "https://me:pass@api.example/v1/x",
    "https://api.example@evil.example/v1/x",
    "https://api.example:443@evil.example/v1/x",
    "https://api.example%40evil.example/v1/x",
    "https://evil.example\\@api.example/v1/x",
    "https://evil.example#@api.example/v1/x",
    "https://evil.example/v1/x?https://api.example/v1/x",
    "https://evil.example/https://api.example/v1/x",
    "https://api.example.evil.example/v1/x",
    "https://evil.example/v1/x",
    "https://127.0.0.1/v1/x",
    "https://169.254.169.254/v1/x",
    "//api.example/v1/x",
    "/v1/x",
    "file:///etc/passwd",
    "",
]


async def test_no_way_of_writing_an_address_leads_beyond_the_rule(world: World):
    expected = {url: [f"api.example{path}"] for url, path in ADMITTED.items()}
    expected |= {url: [] for url in REFUSED}
    heard = {url: [one.lower() for one in await world.reach("GET", url)] for url in expected}
    assert {url: found for url, found in heard.items() if found != expected[url]} == {}


async def test_no_other_method_gets_out(world: World):
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "get", "GET /admin"):
        assert await world.reach(method, "https://api.example/v1/x") == [], method


@pytest.mark.parametrize("with_secret", [False, True])
async def test_no_redirect_leads_beyond_the_rule(world: World, with_secret: bool):
    method = "secret" if with_secret else "GET"
    for name in REDIRECTS:
        before = len(world.heard)
        await world.try_it(method, f"https://api.example/v1/{name}")
        heard = world.heard[before:]
        # A secret in a URL goes to that URL alone: such a redirect is handed to the plugin.
        is_followed = name == "inside" and not with_secret
        wanted = [f"api.example/v1/{name}", *(["api.example/v1/x"] if is_followed else [])]
        assert heard == wanted, name
    assert {port for _, port in world.internet.dialled} == {443}
    assert set(world.internet.names.asked) == {"api.example"}


async def test_entries_of_another_plugin_are_nowhere(world: World):
    assert await world.try_it("put", "mine") == ""
    for key in ("theirs", "other/theirs", "../other/theirs", "other.theirs", "other\0theirs", "%"):
        assert await world.try_it("get", key) in {"", "invalid-argument"}, key
    for prefix in ("", "t", "theirs", "other", "%", "_", "*", "' OR 1=1 --"):
        found = await world.try_it("scan", prefix)
        assert found.split() in ([], ["mine"]), prefix
    assert (await world.try_it("scan", "")).split() == ["mine"]


async def test_configuration_that_is_not_its_own_is_nowhere(world: World):
    own = {"botToken": "botToken", "color": "red"}
    assert json.loads(await world.try_it("config", "")) == own
    assert json.loads(await world.try_it("config", "color")) == "red"
    for key in (
        *("gateway", "gateway.auth.token", "plugins.entries.other.config.color", "plugins"),
        *("other", "other.color", "channels.webhook.secret", "channels.other.color", "..", "."),
        *(
            "../other",
            "..other.color",
            "__class__",
            "color.__class__",
            "$ref",
            "${CARAPACE_CANARY}",
        ),
        *("CARAPACE_CANARY", "env.CARAPACE_CANARY", "0", "*"),
    ):
        assert await world.try_it("config", key) == "", key


def spellings(secret: str) -> dict[str, bytes]:
    """A secret as it stands in a header, a URL, a form, a body; and as Basic authorization."""
    return {
        "plain": secret.encode(),
        "in a URL": quote(secret, safe="").encode(),
        "in a query": quote(secret, safe="/").encode(),
        "in UTF-16": secret.encode("utf-16-le"),
        "base64": base64.b64encode(secret.encode()).rstrip(b"="),
        "hex": secret.encode().hex().encode(),
        "half": secret.encode()[: len(secret) // 2 + 2],
    }


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc")
async def test_no_secret_is_in_a_workers_memory_its_log_or_its_errors(world: World):
    with log_lines() as lines:
        addresses = world.internet.names.answers.pop("api.example")
        assert await world.try_it("secret", "https://api.example/v1/x") == "unreachable"
        world.internet.names.answers["api.example"] = addresses
        assert MARK in await world.try_it("secret", "https://api.example/v1/x")
        assert await world.try_it("verify", "canary") == "no"
        assert len(await world.try_it("hmac", "a text")) == 64
        for name in REDIRECTS:
            await world.try_it("secret", f"https://api.example/v1/{name}")
        await world.try_it("secret", "https://api.example/v1/{botToken}/../admin")
        for key in ("", "botToken", "accounts.default.botToken"):
            await world.try_it("config", key)
        await world.try_it("scan", "")
        memory = world.memory()
        assert await world.try_it("crash") == "crash"
        memory += world.memory()
    used = world.secrets[0]
    assert f"Bearer {TOKEN}" in used, "the secret was used"
    assert quote(TOKEN, safe="") in used, "in both places"
    watched = {
        "memory": memory,
        "log": repr(lines).encode(),
        "answers and errors": repr(world.told).encode(),
        "audit": json.dumps(world.internet.trail.lines()).encode(),
    }
    for where in ("memory", "log", "answers and errors"):
        assert MARK.encode() in watched[where], f"what may be in the {where} is found there"
    assert [
        (where, whose, how)
        for where, data in watched.items()
        for whose, secret in {"own": TOKEN, **OTHERS}.items()
        for how, spelled in spellings(secret).items()
        if spelled in data
    ] == []
