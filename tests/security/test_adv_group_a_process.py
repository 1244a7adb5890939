"""Advisory rows of group A against the real process; each test is named after its row."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from carapace_tools.golden.connection import Connection
from support.gateway import (
    TOKEN,
    Started,
    gateway_with_model,
)
from support.ws import connect_params, entered, peer, talk

pytestmark = pytest.mark.slow
READ_WRITE = ("operator.read", "operator.write")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with gateway_with_model(tmp_path) as started:
        yield started


async def upgrade_status(gateway: Started, **headers: str) -> int:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(gateway.url, headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def test_adv_a01_the_shared_token_alone_is_no_administrator(gateway):
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, gateway.url, {}) as connection,
    ):
        hello = await entered(connection, connect_params(scopes=("operator.admin",)))
        assert hello["ok"] is True
        answer = await connection.call("c", "config.get", {})
        assert answer["error"]["message"] == "missing scope: operator.admin"


async def test_adv_a09_a10_no_foreign_page_opens_the_real_port(gateway):
    assert await upgrade_status(gateway) == 101
    assert await upgrade_status(gateway, Origin="https://evil.test") == 403
    proxied = {"X-Forwarded-For": "9.9.9.9", "Origin": "https://evil.test"}
    assert await upgrade_status(gateway, **proxied) == 403


async def test_adv_a11_a_chat_completion_is_not_written_by_another_site(gateway):
    url = f"{gateway.http}/v1/chat/completions"
    body = {"model": "main", "messages": [{"role": "user", "content": "hello"}]}
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as session:
        for foreign in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
            async with session.post(url, json=body, headers=bearer | foreign) as response:
                assert response.status == 403
        async with session.post(url, json=body, headers=bearer) as response:
            assert response.status == 200
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        listed = await person.call("l", "sessions.list", {})
        assert listed["payload"]["count"] == 1


@pytest.mark.parametrize("with_device", [False, True])
async def test_adv_a13_fifty_wrong_secrets_at_once_do_not_pass_the_budget(gateway, with_device):
    """From the eleventh failure on even the right secret waits: loopback is no exception."""
    async with aiohttp.ClientSession() as session:

        async def guess(number: int) -> str:
            async with Connection(session, gateway.url, {}) as connection:
                params = connect_params(token=f"wrong-{number}")
                answer = await entered(connection, params, "guesser" if with_device else None)
                assert answer["ok"] is False
                return str(answer["error"]["message"])

        async with asyncio.TaskGroup() as group:
            guesses = [group.create_task(guess(number)) for number in range(50)]
        texts = [one.result() for one in guesses]
        judged = [text for text in texts if "mismatch" in text]
        assert len(judged) <= 10
        async with Connection(session, gateway.url, {}) as connection:
            answer = await entered(connection, connect_params(token="wrong-again"))
            assert answer["ok"] is False
            assert "mismatch" not in answer["error"]["message"]


async def test_adv_a15_a_message_cannot_claim_another_client(gateway):
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        params = {"sessionKey": "main", "message": "hello", "idempotencyKey": "spoof"}
        for extra in (
            {"client": {"id": "clawdbot-macos"}},
            {"provenance": "operator"},
            {"deviceId": "x"},
        ):
            answer = await person.call(f"send-{next(iter(extra))}", "chat.send", params | extra)
            assert answer["ok"] is False
            assert "unexpected property" in answer["error"]["message"]
        await talk(person, "main", "hello", "honest")
        listed = await person.call("l", "sessions.list", {})
        assert listed["payload"]["sessions"][0]["origin"]["label"] == "cli"


async def test_adv_a16_a_readers_hello_names_no_path_of_this_machine(gateway):
    async with peer(gateway.url, scopes=("operator.read",)) as reader:
        (hello,) = reader.answers("connect")
        assert hello["ok"] is True
        assert re.findall(r'"/[^"]*"', json.dumps(hello)) == []


async def test_adv_a19_no_tool_takes_the_address_of_a_gateway(gateway):
    """A model that names a gateway of its own is not obeyed: nobody is called, no token leaves."""
    calls: list[bytes] = []

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.read(1_000))
        writer.close()

    server = await asyncio.start_server(listener, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, peer(gateway.url, scopes=READ_WRITE) as person:
        for number, name in enumerate(("session_status", "sessions_list", "gateway", "message")):
            arguments = json.dumps({"gatewayUrl": f"ws://127.0.0.1:{port}"})
            end = await talk(person, "main", f"[[tool:{name} {arguments}]]", f"tool-{number}")
            assert end["state"] == "final"
    assert calls == []


async def test_adv_a20_no_page_is_served_that_could_read_an_address_from_its_query(gateway):
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/chat", "/index.html"):
            url = f"{gateway.http}{path}?gatewayUrl=ws://evil.test&token={TOKEN}"
            async with session.get(url) as response:
                assert response.status in (403, 404)
                text = await response.text()
                assert "evil.test" not in text
                assert TOKEN not in text
                assert "<script" not in text
