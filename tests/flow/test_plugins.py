"""Real guests in real gateways: installed, loaded, visible, invoked, in every role."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace_tools.golden.connection import Connection
from support.cara import cara_env, run_cara
from support.gateway import Started, model_server, restart, running_gateway, settings
from support.packages import PUBLISHER
from support.plugin_packages import GUESTS, packed
from support.ws import peer, talk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

OURS = Path(__file__).parents[2] / "plugins"
TOKEN = "parrot-token-0123456789"
COMPILE_S = 240.0
"""A Python guest is compiled in four seconds; in a minute where much else runs."""


@dataclass
class House:
    """A gateway that trusts the publisher of our packages, and an admin at it."""

    gateway: Started
    admin: Connection
    http: aiohttp.ClientSession
    count: int = 0

    async def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.count += 1
        request_id = f"call-{self.count}"
        await self.admin.send({"type": "req", "id": request_id, "method": method, "params": params})
        got = await self.admin.until(
            lambda: self.admin.answers(request_id) or self.admin.closed, method, COMPILE_S
        )
        assert isinstance(got, list), (got, self.gateway.log()[-3000:])
        return got[0]

    async def install(self, package: Path) -> dict[str, Any]:
        """Install it, look at what it asks for, and agree to exactly that."""
        answer = await self.call("plugins.install", {"source": str(package)})
        assert answer["ok"], answer
        plugin = answer["payload"]["plugin"]
        assert plugin["state"] == "waits-for-consent"
        assert plugin["pending"]["added"]
        agreed = {"id": plugin["id"], "digest": plugin["pending"]["digest"]}
        answer = await self.call("plugins.consent", agreed)
        assert answer["ok"], answer
        return answer["payload"]["plugin"]

    async def plugin(self, plugin_id: str) -> dict[str, Any]:
        listed = await self.call("plugins.list", {})
        return next(one for one in listed["payload"]["plugins"] if one["id"] == plugin_id)

    async def tell(self, message: str, run_id: str) -> str:
        end = await talk(self.admin, "main", message, run_id, timeout_s=30)
        return end["message"]["content"][0]["text"]

    async def state(self) -> dict[str, Any]:
        async with self.http.get(f"{self.gateway.http}/plugins/parrot/state") as answer:
            assert answer.status == 200
            return await answer.json()

    async def becomes(self, name: str, wanted: Any) -> None:
        """Wait until a part of the parrot's state holds what is wanted."""
        async with asyncio.timeout(30):
            while wanted not in (await self.state())[name]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def opened(gateway: Started) -> AsyncGenerator[House]:
    async with (
        aiohttp.ClientSession() as http,
        peer(gateway.url, device="admin") as admin,
    ):
        yield House(gateway, admin, http)


@contextlib.asynccontextmanager
async def house(folder: Path, **more: Any) -> AsyncGenerator[House]:
    async with model_server(folder) as model:
        config = settings(model.port)
        config["plugins"] = {"trustedPublishers": [PUBLISHER], **more.pop("plugins", {})}
        config.update(more)
        async with (
            running_gateway(folder / "gateway", config) as gateway,
            opened(gateway) as one,
        ):
            yield one


@pytest.mark.parametrize("language", ["c", "js", "python", "rust"])
async def test_a_tool_is_installed_seen_and_used_by_the_assistant(tmp_path, language):
    package = packed(OURS / f"hello-{language}", tmp_path)
    async with house(tmp_path) as one:
        ask = f'[[tool:plugin_hello-{language}_greet {{"name": "Ann"}}]]'
        before = await one.tell(ask, "before")
        assert "Hello" not in before
        plugin = await one.install(package)
        assert plugin["state"] == "running"
        assert (await one.plugin(f"hello-{language}"))["roles"] == ["tool"]
        assert "Hello, Ann! (1)" in await one.tell(ask, "first")
        assert "Hello, Ann! (2)" in await one.tell(ask, "second")
        gone = await one.call("plugins.disable", {"id": f"hello-{language}"})
        assert gone["payload"]["plugin"]["state"] == "disabled"
        assert "Hello" not in await one.tell(ask, "after")


async def test_a_plugin_of_every_role_is_a_part_of_the_house(tmp_path):
    package = packed(GUESTS / "parrot", tmp_path)
    channels = {"parrot": {"botToken": TOKEN, "allowFrom": ["ann"]}}
    entries = {"parrot": {"config": {"color": "green"}, "webhookAliases": ["/old-parrot"]}}
    async with house(tmp_path, channels=channels, plugins={"entries": entries}) as one:
        url = f"{one.gateway.http}/plugins/parrot"
        async with one.http.get(url) as answer:
            assert answer.status == 404
        await one.install(package)

        # webhook, with its alias, as a stranger beside the gateway's own pages
        for address in (url, f"{one.gateway.http}/old-parrot"):
            async with one.http.get(address) as answer:
                assert (answer.status, await answer.text()) == (200, "squawk")
                assert "sandbox" in answer.headers["Content-Security-Policy"]

        # service: started, ticking, and its alarm came back to it
        for key in ("service/started", "service/ticked", "service/flap-hard"):
            await one.becomes("service", key)

        # channel: told in, answered, changed by its own hook on the way out
        body = {"id": "m1", "from": "ann", "text": "[[say:hello ann]]"}
        async with one.http.post(f"{url}/in", json=body) as answer:
            assert answer.status == 401
        secret = {"x-parrot-token": TOKEN}
        async with one.http.post(f"{url}/in", json=body, headers=secret) as answer:
            assert await answer.json() == {"status": "accepted"}
        async with one.http.post(f"{url}/in", json=body, headers=secret) as answer:
            assert await answer.json() == {"status": "duplicate"}
        await one.becomes("sent", ["room", "hello ann (squawk)"])

        # hooks that only watch
        await one.call("sessions.reset", {"key": "main"})
        await one.becomes("service", "service/session-ended")

        # tool
        said = await one.tell('[[tool:plugin_parrot_squawk {"word": "cracker"}]]', "tool")
        assert "cracker! cracker!" in said

        # setup and what a channel can tell
        asked = await one.call("plugins.setup.questions", {"id": "parrot"})
        assert [each["key"] for each in asked["payload"]["questions"]] == ["botToken", "color"]
        answers = {"botToken": "another-token", "color": "red"}
        refused = await one.call("plugins.setup.apply", {"id": "parrot", "answers": answers})
        assert "no parrot of that color" in refused["error"]["message"]
        probed = await one.call("plugins.channel.probe", {"id": "parrot"})
        assert probed["payload"] == {"account": {"name": "the parrot of default"}}

        await _answers_the_command_line(one)
        await _keeps_its_secret(one)
        await _comes_back(one)


async def _answers_the_command_line(one: House) -> None:
    env = cara_env(one.gateway)
    code, out, err = await run_cara(env, "plugin", "probe", "parrot")
    assert (code, "name: the parrot of default" in out) == (0, True), err
    assert (await run_cara(env, "plugin", "resolve", "parrot", "Ann"))[:2] == (0, "Ann\n")
    assert "names nobody" in (await run_cara(env, "plugin", "find", "parrot"))[1]
    answers = json.dumps({"botToken": "another-token", "color": "red"}).encode()
    code, out, err = await run_cara(env, "plugin", "setup", "parrot", stdin=answers)
    assert (code, "no parrot of that color" in err) == (1, True), out
    assert "plugins: work: parrot" in (await run_cara(env, "doctor"))[1]


async def _keeps_its_secret(one: House) -> None:
    """Neither the guest, nor a client, nor the log, nor a file but the configuration has it."""
    state = await one.state()
    assert state["started"] == [{"botToken": "default/botToken"}]
    assert (state["color"], state["token"]) == ("green", "botToken")
    shown = await one.call("config.get", {})
    assert TOKEN not in json.dumps(shown)
    assert "__OPENCLAW_REDACTED__" in json.dumps(shown["payload"]["config"]["channels"]["parrot"])
    assert TOKEN not in one.gateway.log()
    kept = [path for path in one.gateway.state_dir.rglob("*") if path.is_file()]
    holders = {path.name for path in kept if TOKEN.encode() in path.read_bytes()}
    assert holders <= {"config.last-good.json"}, holders


async def _comes_back(one: House) -> None:
    """After `kill -9` it runs again, out of the cache, with what it kept; then it is removed."""
    one.gateway.kill()
    await one.gateway.process.wait()
    again = await restart(one.gateway)
    try:
        async with opened(again) as second:
            async with asyncio.timeout(60):
                while (await second.plugin("parrot"))["state"] != "running":  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(0.1)
            assert ["room", "hello ann (squawk)"] in (await second.state())["sent"]
            assert (await second.call("plugins.remove", {"id": "parrot"}))["ok"]
            async with second.http.get(f"{again.http}/plugins/parrot") as answer:
                assert answer.status == 404
            status = await second.call("channels.status", {})
            assert "parrot" not in status["payload"]["channels"]
    finally:
        await again.stop()


def _project(folder: Path, version: str, *, says: str | None = None) -> Path:
    """The C plugin as another version, which may say of itself that it is yet another."""
    place = folder / f"project-{version}-{says}"
    shutil.copytree(OURS / "hello-c", place, ignore=shutil.ignore_patterns("build"))
    for name, told in (("plugin.toml", version), ("app.c", says or version)):
        text = (place / name).read_text()
        assert "0.1.0" in text
        (place / name).write_text(text.replace("0.1.0", told))
    return place


async def test_versions_change_while_it_is_used_and_a_lost_process_comes_back(tmp_path):
    first = packed(_project(tmp_path, "0.1.0"), tmp_path)
    liar = packed(_project(tmp_path, "0.2.0", says="0.9.0"), tmp_path)
    second = packed(_project(tmp_path, "0.3.0"), tmp_path)
    ask = '[[tool:plugin_hello-c_greet {"name": "Ann"}]]'
    async with house(tmp_path) as one:
        await one.install(first)
        assert "Hello, Ann! (1)" in await one.tell(ask, "one")

        refused = await one.call("plugins.upgrade", {"id": "hello-c", "source": str(liar)})
        assert "0.9.0" in refused["error"]["message"]
        assert "Hello, Ann! (2)" in await one.tell(ask, "two")

        upgraded = await one.call("plugins.upgrade", {"id": "hello-c", "source": str(second)})
        assert upgraded["payload"]["plugin"]["version"] == "0.3.0"
        assert "Hello, Ann! (3)" in await one.tell(ask, "three")

        back = await one.call("plugins.rollback", {"id": "hello-c", "version": "0.1.0"})
        assert back["payload"]["plugin"]["version"] == "0.1.0"
        for pid in _workers(one.gateway):
            os.kill(pid, signal.SIGKILL)
        assert "Hello, Ann! (4)" in await one.tell(ask, "four")


def _workers(gateway: Started) -> list[int]:
    """The worker processes of a gateway, by what `/proc` says."""
    children = Path(f"/proc/{gateway.process.pid}/task").glob("*/children")
    pids = [int(pid) for one in children for pid in one.read_text().split()]
    found = [
        pid
        for pid in pids
        if b"carapace.plugins.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert found, "there is no worker"
    return found
