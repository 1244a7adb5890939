"""The stock command line of two releases, unmodified, working with our gateway: what it changes.

`test_stock_cli.py` compares words with the Node gateway; here each command does its work, and
another one, or the gateway itself, shows that it was done.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from carapace_tools.golden.connection import Connection
from support.gateway import TOKEN, Started, model_server, running_gateway, settings
from support.packages import PUBLISHER
from support.plugin_packages import GUESTS, packed
from support.stock_cli import CLAWDBOT, OPENCLAW, Brand, Done, StockCli, node_folder
from support.webhook_receiver import Post, WebhookReceiver, webhook_receiver
from support.ws import connect_params, entered, peer
from support.zalo_gateway import admin, ok

pytestmark = [
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

LINK = "link-token-of-a-phone-0123456789"


@dataclass(frozen=True)
class Person:
    """Somebody with a home of their own and the command line of one release."""

    cli: StockCli
    gateway: Started
    brand: Brand

    async def does(self, *words: str) -> Done:
        """One command, which must succeed."""
        done = await self.cli(*words)
        assert done.code == 0, done
        return done

    async def asks(self, *words: str) -> Any:
        """One command that must succeed; the JSON it prints."""
        return (await self.does(*words, "--json")).json


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[CLAWDBOT, OPENCLAW], ids=lambda brand: brand.name
)
async def person(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Person]:
    brand: Brand = request.param
    folder = node_folder(brand)
    home = tmp_path_factory.mktemp(brand.name)
    async with model_server(home) as model:
        config = settings(model.port)
        config["tools"] = {
            "exec": {"security": "full", "ask": "off", "sandbox": "off"},
            "allow": ["exec", "time", "read", "write"],
        }
        async with running_gateway(home / "carapace", config) as gateway:
            cli = StockCli(folder, home / "person", gateway.url, TOKEN, brand=brand)
            yield Person(cli, gateway, brand)


# The other release does it in `test_stock_cli.py`, `test_stock_tui.py` or `test_stock_node_run.py`.
newer = pytest.mark.parametrize("person", [OPENCLAW], indirect=True, ids=["openclaw"])


async def test_a_cron_job_lives_from_add_to_remove(person: Person) -> None:
    made = await person.asks(
        "cron", "add", "--name", "water", "--every", "1h", "--session", "isolated",
        "--message", "water the plants",
    )  # fmt: skip
    assert (made["name"], made["enabled"], made["schedule"]["everyMs"]) == ("water", True, 3600000)
    job = made["id"]
    listed = await person.asks("cron", "list")
    assert [one["id"] for one in listed["jobs"]] == [job]
    await person.does("cron", "edit", job, "--name", "watering", "--cron", "0 7 * * 1")
    await person.does("cron", "disable", job)
    assert (await person.asks("cron", "list"))["jobs"] == []
    every = (await person.asks("cron", "list", "--all"))["jobs"]
    assert (every[0]["name"], every[0]["schedule"]["expr"]) == ("watering", "0 7 * * 1")
    await person.does("cron", "enable", job)
    await person.does("cron", "run", job, "--force")
    [entry] = (await person.does("cron", "runs", "--id", job)).json["entries"]
    assert (entry["jobId"], entry["action"], entry["status"]) == (job, "finished", "ok")
    assert (await person.asks("cron", "status"))["jobs"] == 1
    await person.does("cron", "rm", job)
    assert (await person.asks("cron", "list", "--all"))["jobs"] == []


async def test_system_events_heartbeats_and_presence(person: Person) -> None:
    await person.does("system", "event", "--text", "the door bell rang")
    assert "ok" in (await person.does("system", "heartbeat", "disable")).out
    assert "ok" in (await person.does("system", "heartbeat", "enable")).out
    await person.does("system", "heartbeat", "last")
    entries = (await person.does("system", "presence", "--json")).json
    assert any(entry["mode"] == "gateway" for entry in entries)
    queued = (await person.does("gateway", "call", "status", "--json")).json
    assert "the door bell rang" in json.dumps(queued["queuedSystemEvents"])


async def test_a_run_really_uses_a_tool(person: Person) -> None:
    call = {"argv": [sys.executable, "-c", "print(6*7)"]}
    message = f"compute [[tool:exec {json.dumps(call)}]]"
    done = await person.asks("agent", "--agent", "main", "--message", message)
    assert done["status"] == "ok"
    assert "42" in done["result"]["payloads"][0]["text"]


@newer
async def test_a_headless_node_is_listed_and_invoked(person: Person) -> None:
    port = str(person.gateway.port)
    words = ("node", "run", "--host", "127.0.0.1", "--port", port, "--display-name", "shed")
    async with person.cli.running(*words):
        async with asyncio.timeout(60):
            while True:
                nodes = await person.asks("nodes", "status")
                if any(one.get("connected") for one in nodes["nodes"]):
                    break
        [node] = [one for one in nodes["nodes"] if one.get("connected")]
        described = await person.asks("nodes", "describe", "--node", node["nodeId"])
        assert "system.which" in described["commands"]
        found = await person.asks(
            "nodes", "invoke", "--node", "shed", "--command", "system.which",
            "--params", '{"bins":["sh"]}',
        )  # fmt: skip
        assert found["ok"] is True
        assert found["payload"]["bins"]["sh"].endswith("/sh")


async def test_devices_are_listed_and_a_token_rotated_and_revoked(person: Person) -> None:
    async with peer(person.gateway.url, device="old tablet", scopes=("operator.read",)):
        pass
    listed = await person.asks("devices", "list")
    tablet = next(one for one in listed["paired"] if one.get("scopes") == ["operator.read"])
    who = ("--device", tablet["deviceId"], "--role", "operator")
    rotated = await person.asks("devices", "rotate", *who, "--scope", "operator.read")
    assert rotated["token"]
    revoked = await person.asks("devices", "revoke", *who)
    assert revoked["revokedAtMs"] >= rotated["rotatedAtMs"]


async def test_a_strange_device_is_approved_by_hand(person: Person) -> None:
    far = {"X-Forwarded-For": "10.0.0.9"}
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, person.gateway.url, far) as guest,
    ):
        refused = await entered(guest, connect_params(scopes=("operator.read",)), "guest")
        assert refused["error"]["code"] == "NOT_PAIRED"
    [pending] = (await person.asks("devices", "list"))["pending"]
    await person.does("devices", "approve", pending["requestId"])
    assert (await person.asks("devices", "list"))["pending"] == []


async def test_approvals_are_shown_and_changed(person: Person) -> None:
    before = await person.asks("approvals", "get")
    assert before["file"]["version"] == 1
    await person.does("approvals", "allowlist", "add", "--agent", "main", "/usr/bin/uname")
    after = await person.asks("approvals", "get")
    patterns = [one["pattern"] for one in after["file"]["agents"]["main"]["allowlist"]]
    assert patterns == ["/usr/bin/uname"]


async def test_a_message_to_a_channel_nobody_brings_is_refused(person: Person) -> None:
    done = await person.cli(
        "message", "send", "--channel", "whatsapp", "--target", "+15555550123", "--message", "hi"
    )
    assert done.code != 0
    assert "whatsapp" in done.err


@dataclass(frozen=True)
class Phones:
    """Somebody whose gateway has a plugin of the channel, and the service behind it."""

    person: Person
    service: WebhookReceiver

    async def said(self, *words: str) -> tuple[Any, list[Post]]:
        """What one command printed, and all that the service then got for it."""
        before = len(self.service.posts)
        shown = await self.person.asks("message", *words, "--channel", "whatsapp")
        await self.service.posted(before + 1)
        async with peer(self.person.gateway.url, device="watcher") as connection:
            await until_sent(connection)
        return shown, self.service.posts[before:]


async def until_sent(connection: Connection) -> None:
    """Wait until nothing is on its way any more: what is sent twice was sent by then."""
    async with asyncio.timeout(30):
        while True:
            listed = await ok(connection, "outbox.list", {})
            if not (listed["waiting"] or listed["sending"]):
                assert {one["state"] for one in listed["items"]} == {"delivered"}
                return


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[CLAWDBOT, OPENCLAW], ids=lambda brand: brand.name
)
async def phones(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Phones]:
    brand: Brand = request.param
    folder = node_folder(brand)
    home = tmp_path_factory.mktemp(f"{brand.name}-phones")
    package = packed(GUESTS / "whatsapp", home)
    async with model_server(home) as model, webhook_receiver() as service:
        address = service.url.partition("/in")[0]
        config = settings(model.port)
        config["plugins"] = {
            "trustedPublishers": [PUBLISHER],
            "entries": {"whatsapp": {"http": [f"POST {address}/**"]}},
        }
        config["channels"] = {"whatsapp": {"linkToken": LINK, "apiUrl": address}}
        async with running_gateway(home / "carapace", config) as gateway:
            async with admin(gateway) as connection:
                params = {"source": str(package), "accept": True}
                await ok(connection, "plugins.install", params)
                await until_linked(connection)
            cli = StockCli(
                folder, home / "person", gateway.url, TOKEN, brand=brand, channel="whatsapp"
            )
            yield Phones(Person(cli, gateway, brand), service)


async def until_linked(connection: Connection) -> None:
    async with asyncio.timeout(30):
        while True:
            status = await ok(connection, "channels.status", {"probe": True})
            if status["channels"]["whatsapp"]["running"]:
                return


async def test_a_message_arrives_once_as_it_was_written(phones: Phones) -> None:
    text = "hi, it is 7 o'clock: zwölf Löwen 🦁"
    words = ("send", "--target", "+15555550123", "--message", text)
    shown, posts = await phones.said(*words)
    assert shown["payload"]["result"]["messageId"]
    [post] = posts
    assert (post.path, post.json) == ("/messages", {"to": "+15555550123", "text": text})
    assert post.headers["authorization"] == f"Bearer {LINK}"


async def test_a_poll_arrives_once_with_its_answers(phones: Phones) -> None:
    words = ("--target", "+15555550123", "--poll-question", "Lunch?")
    options = ("--poll-option", "noodles", "--poll-option", "rice")
    _, posts = await phones.said("poll", *words, *options)
    [post] = posts
    assert post.path == "/polls"
    wanted = {"to": "+15555550123", "question": "Lunch?", "options": ["noodles", "rice"]}
    assert post.json == wanted


async def test_the_channel_is_listed_as_the_gateway_runs_it(phones: Phones) -> None:
    status = await phones.person.asks("channels", "status", "--probe")
    assert status["channelDetailLabels"] == {"whatsapp": "WhatsApp Web"}
    [account] = status["channelAccounts"]["whatsapp"]
    assert (account["running"], account["probe"]["ok"]) == (True, True)
    assert "WhatsApp" in (await phones.person.does("channels", "status")).out


async def test_commands_that_read_their_own_files_still_work(person: Person) -> None:
    for words in (
        ("sessions", "--json"),
        ("models", "list", "--json"),
        ("skills", "list", "--json"),
        ("agents", "list", "--json"),
    ):
        await person.does(*words)


async def test_channels_status_comes_from_the_gateway(person: Person) -> None:
    status = await person.asks("channels", "status")
    assert set(status) >= {"ts", "channelOrder", "channelLabels", "channels", "channelAccounts"}
    await person.does("channels", "list")


async def test_the_dashboard_link_leads_to_the_gateway(person: Person) -> None:
    shown = await person.does("dashboard", "--no-open")
    assert re.search(r"http://127\.0\.0\.1:\d+/", shown.out), shown


async def test_the_doctor_finds_the_gateway_well(person: Person) -> None:
    shown = await person.does("doctor", "--non-interactive")
    assert "Agents: main (default)" in shown.out
    assert "Doctor complete" in shown.out


@newer
async def test_health_and_status(person: Person) -> None:
    assert "Agents: main (default)" in (await person.does("health")).out
    assert (await person.asks("status"))["sessions"]["count"] >= 0
    assert (await person.asks("gateway", "health"))["ok"] is True


@newer
async def test_a_person_chats_in_the_terminal(person: Person) -> None:
    async with person.cli.tui() as tui:
        await tui.see("gateway connected | idle", 40)
        await tui.enter("ping from the terminal")
        await tui.see("Echo: ping from the terminal")
        await tui.enter("/quit")
        assert await tui.left() == 0


@newer
async def test_logs_are_the_gateways(person: Person, tmp_path: Path) -> None:
    shown = await person.does("logs", "--plain", "--limit", "200")
    assert str(person.gateway.state_dir) in shown.out
    assert str(tmp_path) not in shown.out
