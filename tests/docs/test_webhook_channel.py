"""The examples of the how-to on the webhook channel do what it says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from carapace.channels.builtin.webhook import WebhookChannel
from carapace.channels.builtin.webhook_wire import decode_message
from carapace.channels.types import Delivered, Outgoing, Target
from carapace.clock import SystemClock
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from carapace.triggers.channel_webhooks import ChannelWebhooks
from carapace.triggers.replay import ReplayMemory
from carapace.triggers.webhook_types import RequestHead
from carapace.triggers.webhooks import WebhookKernel
from support.egress import make_egress
from support.polling import until
from support.recording_channel import RecordingIntake

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "webhook-channel.md"
SECRET = "the-secret-of-this-test-0123456789"
pytestmark = pytest.mark.slow


def block(language: str) -> str:
    found = re.search(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Gateway:
    """The channel behind a real kernel and a real server."""

    def __init__(self, kernel: WebhookKernel, channel: WebhookChannel) -> None:
        self.kernel = kernel
        self.channel = channel
        self.intake = RecordingIntake()

    async def handle(self, request: web.Request) -> web.Response:
        head = RequestHead(
            method=request.method,
            path=request.path,
            query="",
            headers={name.lower(): (value,) for name, value in request.headers.items()},
            client_ip="127.0.0.1",
            content_length=request.content_length,
        )

        async def read(max_bytes: int) -> bytes:
            return await request.read()

        answer = await self.kernel.handle(head, read)
        return web.Response(status=answer.status, body=answer.body)


@pytest.fixture
async def gateway(tmp_path):
    clock = SystemClock()
    database = await SqliteDatabase.open(tmp_path / "c.db")
    audit = Audit(tmp_path / "kernel", clock=clock, redactor=Redactor())
    kernel = WebhookKernel(
        ReplayMemory(database, clock),
        clock=clock,
        audit=audit,
        metrics=Metrics("0", with_process=False),
    )
    egress, trail = make_egress(tmp_path)
    yield Gateway(kernel, WebhookChannel(ChannelWebhooks(kernel), egress, clock=clock))
    trail.audit.close()
    audit.close()
    await database.close()


@pytest.fixture
async def url(gateway):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gateway.handle)
    server = TestServer(app)
    await server.start_server()
    yield f"http://127.0.0.1:{server.port}/channels/webhook/default"
    await server.close()


async def start(*command: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "CHAT_SECRET": SECRET, **environment},
    )


async def test_the_script_sends_what_is_typed_and_prints_each_answer_once(gateway, url, tmp_path):
    port = free_port()
    settings = {"secret": SECRET, "callbackUrl": f"http://127.0.0.1:{port}/"}
    account = await gateway.channel.open("default", settings, gateway.intake)
    script = tmp_path / "chat.py"
    script.write_text(block("python"), "utf-8")
    process = await start(sys.executable, str(script), CHAT_URL=url, CHAT_PORT=str(port))
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("Grüße!\n".encode())
        await process.stdin.drain()
        await until(lambda: gateway.intake.received, deadline_s=20)
        (message,) = gateway.intake.received
        assert message.text == "Grüße!"
        assert message.sender.id == "me"
        target = Target(channel="webhook", account="default", conversation="me")
        answer = Outgoing(target=target, idempotency_key="run/1", text="Hallo 🙂")
        assert await account.send(answer) == Delivered(message_id="run/1")
        assert await account.send(replace(answer, attempt=2)) == Delivered(message_id="run/1")
        other = replace(answer, idempotency_key="run/2", text="Bye")
        assert isinstance(await account.send(other), Delivered)
        async with asyncio.timeout(10):
            assert (await process.stdout.readline()).decode() == "Hallo 🙂\n"
            assert (await process.stdout.readline()).decode() == "Bye\n"
    finally:
        process.kill()
        await process.communicate()
        await account.aclose()


async def test_the_script_believes_nobody_else(gateway, url, tmp_path):
    port = free_port()
    settings = {"callbackSecret": "x" * 32, "callbackUrl": f"http://127.0.0.1:{port}/"}
    account = await gateway.channel.open("default", settings, gateway.intake)
    script = tmp_path / "chat.py"
    script.write_text(block("python"), "utf-8")
    process = await start(sys.executable, str(script), CHAT_URL=url, CHAT_PORT=str(port))
    target = Target(channel="webhook", account="default", conversation="me")
    try:
        await until(lambda: _listens(port), deadline_s=20)
        outcome: Any = await account.send(Outgoing(target=target, idempotency_key="k", text="x"))
        assert "401" in outcome.reason
    finally:
        process.kill()
        assert (await process.communicate())[0] == b""
        await account.aclose()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl"
)
async def test_the_curl_example_is_accepted_with_the_answer_it_shows(gateway, url):
    account = await gateway.channel.open("default", {"secret": SECRET}, gateway.intake)
    process = await start("sh", "-c", block("sh"), CHAT_URL=url)
    async with asyncio.timeout(20):
        printed, complaints = await process.communicate()
    assert complaints == b""
    assert json.loads(printed) == json.loads(block("json"))
    assert gateway.intake.received[0].message_id == "note-1"
    await account.aclose()


def test_the_script_is_about_as_long_as_a_screen():
    assert len(block("python").splitlines()) <= 48


def test_every_field_of_the_tables_is_known():
    text = PAGE.read_text("utf-8")
    table = text[text.index("## What you send") : text.index("A field that is not")]
    names = {
        name
        for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        for name in row.split(", ")
    }
    values: dict[str, Any] = {
        "id": "1",
        "sender": {"id": "me", "name": "n", "isBot": True},
        "text": "t",
        "conversation": {"id": "c", "type": "group", "thread": "t", "space": "s", "label": "l"},
        "mentionsUs": True,
        "quote": {"id": "q", "senderId": "s", "text": "t"},
        "media": [{"url": "u", "contentType": "c", "sizeBytes": 1, "filename": "f"}],
        "kind": "edit",
        "about": "0",
        "sentAtMs": 1,
        "data": {"a": "b"},
    }
    assert {name.strip("`") for name in names} == values.keys()
    assert decode_message(values, channel="webhook", account="a").about_message_id == "0"
