"""People write to a bot of Zalo's: the real gateway, the real plugin in its process, a real server.

The server is Crabline where it is installed, and always our own, which `tests/plugins/zalo` holds
against it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import unicodedata
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carapace_tools.golden.connection import Connection
from support.authority import shared_authority
from support.crabline import Crabline, crabline, crabline_folder
from support.gateway import Started, ended, model_server, restart
from support.polling import until
from support.proxy_server import Pipe, http_proxy
from support.zalo_gateway import WEBHOOK_SECRET, admin, config_for, ok, zalo_gateway
from support.zalo_server import Scripted, ZaloServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(
        600
    ),  # building and compiling a Python guest takes a while on a busy machine
    pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc"),
]

DEADLINE_S = 60.0
OPEN = {"dmPolicy": "open", "allowFrom": ["*"]}
MAX_UNITS = 2_000
FAR = "https://zalo.example"
PROXY_PASSWORD = "proxy-flow-password-0123456789"


@pytest.fixture(params=["own", "crabline"])
def zalo(request, tmp_path) -> Iterator[ZaloServer | Crabline]:
    if request.param == "own":
        with ZaloServer() as server:
            yield server
    else:
        with crabline(crabline_folder(), tmp_path) as running:
            yield running


@asynccontextmanager
async def house(folder: Path, zalo: Any, **settings: Any) -> AsyncGenerator[Started]:
    async with model_server(folder) as model:
        config = config_for(model.port, zalo, **settings)
        async with zalo_gateway(folder / "gateway", config) as gateway:
            yield gateway


def edit(gateway: Started, **settings: Any) -> None:
    """Change settings of the channel while everything runs."""
    path = gateway.home / "carapace.json"
    config: dict[str, Any] = json.loads(path.read_text())
    config["channels"]["zalo"] |= settings
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(config))
    fresh.replace(path)


def runs_anew(gateway: Started) -> bool:
    """Whether the account runs with the settings that were changed."""
    _, applied, after = gateway.log().rpartition('"event":"configuration applied"')
    return bool(applied) and '"event":"account runs","channel":"zalo"' in after


async def write(zalo: Any, text: str, **more: Any) -> None:
    """Somebody writes; a webhook answers while the event loop goes on."""
    await asyncio.to_thread(zalo.write, text, **more)


async def sent(zalo: Any, count: int) -> list[dict[str, Any]]:
    """All texts that the bot sent, when there are so many."""
    await until(lambda: len(zalo.called("sendMessage")) >= count, deadline_s=DEADLINE_S)
    return zalo.called("sendMessage")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def worker_memory(gateway: Started) -> bytes:
    """Everything in the memory of the plugin's process that can be written."""
    [pid] = _workers(gateway.ready["pid"])
    found = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if not rights.startswith("rw"):
                continue
            start, _, end = span.partition("-")
            try:
                memory.seek(int(start, 16))
                found += memory.read(int(end, 16) - int(start, 16))
            except (OSError, OverflowError):
                continue  # reserved and never touched
    return bytes(found)


def _workers(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(one) for task in tasks for one in task.read_text().split()]
    return [
        one for one in children if b"plugins.worker" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


async def check_pairing(zalo: Any, gateway: Started, connection: Connection) -> None:
    """A stranger is asked, let in by the code, and answered."""
    await write(zalo, "let me in", sender="u1", chat="u1")
    [asked] = await sent(zalo, 1)
    assert asked["chat_id"] == "u1"
    code = re.search(r"Your code: (\S+)", asked["text"])
    assert code is not None
    params = {"channel": "zalo", "code": code[1]}
    assert (await ok(connection, "channels.pairing.approve", params))["senderId"] == "u1"
    assert "let in" in (await sent(zalo, 2))[1]["text"]
    await write(zalo, "xin chào [[say:chào bạn]]", sender="u1", chat="u1")
    assert (await sent(zalo, 3))[2] == {"chat_id": "u1", "text": "chào bạn"}
    typing = {"chat_id": "u1", "action": "typing"}
    await until(lambda: typing in zalo.called("sendChatAction"), deadline_s=DEADLINE_S)


async def check_chunks(zalo: Any, connection: Connection) -> None:
    """Emoji and combining marks are counted as Zalo counts, and never cut."""
    words = [unicodedata.normalize("NFD", "tiếng Việt"), "👨‍👩‍👧‍👦", "🇻🇳😀"]
    text = " ".join(words * 150)
    await ok(
        connection,
        "send",
        {"to": "u1", "channel": "zalo", "message": text, "idempotencyKey": "chunks"},
    )
    expected = -(-units(text) // MAX_UNITS)
    chunks = [one["text"] for one in (await sent(zalo, 3 + expected))[3:]]
    assert all(units(one) <= MAX_UNITS for one in chunks)
    assert " ".join(chunks) == text
    assert not any(unicodedata.combining(one[0]) or one[0] == "\u200d" for one in chunks)


async def check_group(zalo: Any, gateway: Started) -> None:
    """A group is closed until it is named."""
    before = len(zalo.called("sendMessage"))
    await write(zalo, "[[say:not you]]", sender="u1", chat="g1", group=True)
    await write(zalo, "[[say:still here]]", sender="u1", chat="u1")
    assert [one["text"] for one in (await sent(zalo, before + 1))[before:]] == ["still here"]
    edit(gateway, groups={"g1": {"requireMention": False, "allowFrom": ["u1"]}})
    async with asyncio.timeout(DEADLINE_S):
        while len(zalo.called("sendMessage")) == before + 1:
            await write(zalo, "[[say:hello group]]", sender="u1", chat="g1", group=True)
            await asyncio.sleep(2)
    assert zalo.called("sendMessage")[-1] == {"chat_id": "g1", "text": "hello group"}
    assert all(one["text"] != "not you" for one in zalo.called("sendMessage"))


def check_secrecy(zalo: Any, gateway: Started, *more: str) -> None:
    """No secret is in a log or in what is kept, and the token not in the plugin's own memory.

    Zalo sends the webhook's secret along with each post, so that one passes through the plugin.
    """
    memory = worker_memory(gateway)
    assert b"carapace_zalo" in memory
    assert zalo.token.encode() not in memory
    # The configuration holds them, and so does the copy of it that worked last.
    files = [one for one in gateway.state_dir.rglob("*") if one.is_file()]
    stored = [one.read_bytes() for one in files if one.name != "config.last-good.json"]
    assert any(b"account/default" in content for content in stored)
    for secret in (zalo.token, *more):
        assert secret not in gateway.log()
        assert not any(secret.encode() in content for content in stored)


async def test_people_are_let_in_and_answered_by_asking(tmp_path, zalo):
    async with house(tmp_path, zalo) as gateway, admin(gateway) as connection:
        await check_pairing(zalo, gateway, connection)
        await check_chunks(zalo, connection)
        await check_group(zalo, gateway)
        check_secrecy(zalo, gateway)


async def test_people_are_let_in_and_answered_by_webhook(tmp_path, zalo):
    async with house(tmp_path, zalo) as gateway, admin(gateway) as connection:
        url = f"{gateway.http}/plugins/zalo/webhook"
        edit(gateway, webhookUrl=url, webhookSecret=WEBHOOK_SECRET)
        await until(lambda: runs_anew(gateway), deadline_s=DEADLINE_S)
        assert [one["url"] for one in zalo.called("setWebhook")] == [url]
        await check_pairing(zalo, gateway, connection)
        check_secrecy(zalo, gateway, WEBHOOK_SECRET)


async def test_each_bot_goes_out_by_its_own_proxy(tmp_path, monkeypatch):
    """The far server has a name that nobody but the proxy can look up."""
    trust = tmp_path / "trust.pem"
    trust.write_text(shared_authority().pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(trust))
    tls = shared_authority().server("zalo.example")
    with ZaloServer() as near, ZaloServer("98765432:far-abc-xyz", tls=tls) as far:

        async def dial(_host: str, _port: int) -> Pipe:
            return await asyncio.open_connection("127.0.0.1", far.port)

        async with (
            http_proxy(dial, login=("ada", PROXY_PASSWORD)) as proxy,
            model_server(tmp_path) as model,
        ):
            settings = {
                "url": f"http://127.0.0.1:{proxy.port}",
                "username": "ada",
                "password": PROXY_PASSWORD,
            }
            account = {"botToken": far.token, "apiUrl": FAR, "proxy": settings}
            config = config_for(model.port, near, **OPEN, accounts={"far": account})
            config["plugins"]["entries"]["zalo"]["http"].append(f"POST {FAR}/**")
            async with zalo_gateway(tmp_path / "gateway", config) as gateway:
                for zalo, text in ((near, "from near"), (far, "from afar")):
                    await write(zalo, f"[[say:{text}]]", sender="u1", chat="u1")
                    assert await sent(zalo, 1) == [{"chat_id": "u1", "text": text}]
                assert set(proxy.asked) == {("zalo.example", 443)}
                assert PROXY_PASSWORD not in gateway.log()
                memory = worker_memory(gateway)
                assert b"zalo.example" in memory
                assert PROXY_PASSWORD.encode() not in memory
                assert f"127.0.0.1:{proxy.port}".encode() not in memory


async def test_a_gateway_that_is_killed_while_it_answers_answers_once(tmp_path):
    with ZaloServer() as zalo:
        async with house(tmp_path, zalo, **OPEN) as gateway:
            zalo.script("sendMessage", Scripted(manner="hang"))
            await write(zalo, "[[say:here I am]]", message_id="m1")
            await sent(zalo, 1)
            gateway.kill()
            await gateway.process.wait()
            zalo.calm()
            again = await restart(gateway)
            try:
                texts = [one["text"] for one in await sent(zalo, 2)]
                assert texts == ["here I am", "(This may be a repeat.)\nhere I am"]
                await write(zalo, "[[say:next]]")
                assert (await sent(zalo, 3))[2]["text"] == "next"
            finally:
                await ended(again)


async def test_a_message_that_was_read_before_the_kill_is_answered_once(tmp_path):
    with ZaloServer() as zalo:
        async with house(tmp_path, zalo, **OPEN) as gateway:
            await write(zalo, "[[delay:4000]][[say:late]]", message_id="m1")
            await until(lambda: len(zalo.called("getUpdates")) >= 2, deadline_s=DEADLINE_S)
            await until(lambda: zalo.called("sendChatAction"), deadline_s=DEADLINE_S)
            gateway.kill()
            await gateway.process.wait()
            again = await restart(gateway)
            try:
                assert [one["text"] for one in await sent(zalo, 1)] == ["late"]
                await write(zalo, "[[say:next]]")
                assert [one["text"] for one in await sent(zalo, 2)] == ["late", "next"]
            finally:
                await ended(again)
