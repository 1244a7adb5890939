"""Advisory rows of groups D and E about vendors whose webhooks we do not serve, and about what we
have in their place: no such address is mounted, and our own door is fooled by none of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from carapace_tools.golden.connection import Connection
from support.counting_peer import CountingPeer, counting_peer
from support.gateway import Started, model_server, running_gateway, settings
from support.media import PNG
from support.webhook_people import post_signed, write_direct
from support.ws import peer, talk

pytestmark = pytest.mark.slow
SECRET = "the secret of the account, long enough"
HOOK_TOKEN = "hook-token-0123456789-0123456789"
FORWARDED: Final = (
    {"X-Forwarded-Host": "evil.ngrok-free.app", "X-Forwarded-Proto": "https"},
    {"Host": "evil.ngrok-free.app"},
    {"Forwarded": "host=evil.test;proto=https", "X-Original-URL": "/channels/webhook/b"},
    {"ngrok-skip-browser-warning": "1", "X-Forwarded-For": "127.0.0.1"},
)
VENDORS: Final = (
    *("/googlechat", "/webhooks/googlechat", "/channels/googlechat/default", "/feishu/events"),
    *("/telnyx/webhook", "/twilio/voice", "/voice/webhook", "/webhook/voice-call", "/msteams"),
)
STREAMS: Final = ("/voice/stream", "/twilio/media", "/media-stream", "/webhook/voice-call/stream")


@pytest.fixture
def receiver():
    with counting_peer() as one:
        yield one


@pytest.fixture
async def gateway(tmp_path: Path, receiver: CountingPeer) -> AsyncIterator[Started]:
    async with model_server(tmp_path) as model:
        config = settings(model.port)
        config["channels"] = {
            "webhook": {
                "enabled": True,
                "secret": SECRET,
                "callbackUrl": receiver.url,
                "dmPolicy": "pairing",
                "allowFrom": ["ann"],
            }
        }
        config["hooks"] = {"enabled": True, "token": HOOK_TOKEN}
        async with running_gateway(tmp_path / "gateway", config) as started:
            yield started


def jwt(**claims: Any) -> str:
    """A token that nobody signed."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


async def test_adv_d05_d06_d22_e07_no_vendors_door_is_there_and_ours_is_not_fooled(
    gateway: Started, receiver: CountingPeer
):
    """One gateway for both, since each takes a second to start."""
    await no_vendors_token_or_stream_is_known(gateway)
    await a_signature_is_over_the_body(gateway, receiver)


async def no_vendors_token_or_stream_is_known(gateway: Started) -> None:
    """Neither Google's JWTs nor the sockets of voice calls lead anywhere."""
    good = jwt(iss="chat@system.gserviceaccount.com", aud="123", email_verified=True)
    bearer = {"Authorization": f"Bearer {good}"}
    async with aiohttp.ClientSession() as http:
        for path in VENDORS:
            async with http.post(gateway.http + path, json={}, headers=bearer) as answer:
                assert answer.status == 404, path
        wake = {"text": "x", "mode": "now"}
        async with http.post(f"{gateway.http}/hooks/wake", json=wake, headers=bearer) as answer:
            assert answer.status == 401
        for path in (*STREAMS, "/channels/webhook/default"):
            # At every path there is the one socket of the gateway, which wants `connect` first.
            async with http.ws_connect(gateway.http + path) as socket:
                assert (await socket.receive_json(timeout=5))["event"] == "connect.challenge"
                await socket.send_json({"event": "start", "start": {"streamSid": "MZ1"}})
                closing = await socket.receive(timeout=5)
                assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1008), path
        # The one socket there is takes no frame that is too long, before `connect` either.
        async with http.ws_connect(gateway.url) as socket:
            await socket.receive(timeout=5)
            await socket.send_str("x" * 524_289)
            closing = await socket.receive(timeout=5)
            assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def a_signature_is_over_the_body(gateway: Started, receiver: CountingPeer) -> None:
    """No header and no query switches the check off, and what fails it leaves nothing behind."""
    url = f"{gateway.http}/channels/webhook/default"
    forged = json.dumps({"id": "1", "sender": {"id": "eve"}, "text": "hi"}).encode()
    async with (
        aiohttp.ClientSession() as http,
        peer(gateway.url, device="boss") as boss,
    ):
        switches = ("", "?skipSignatureVerification=1", "?ngrok=true&verify=false")
        for headers, query in product(FORWARDED, switches):
            status = await post_signed(http, url + query, forged, "a wrong secret", **headers)
            # A name that is not ours is refused before the signature is looked at.
            assert status == 403 if "Host" in headers else status in {401, 429}, (headers, query)
        assert (await boss.call("p", "channels.pairing.list", {}))["payload"]["pending"] == []
        assert (await boss.call("i", "inbox.list", {}))["payload"]["items"] == []
        assert (await boss.call("s", "sessions.list", {}))["payload"]["count"] == 0
        assert receiver.arrivals == []
        for number, headers in enumerate(one for one in FORWARDED if "Host" not in one):
            body = json.dumps({"id": f"n{number}", "sender": {"id": "ann"}, "text": "hi"})
            assert await post_signed(http, url, body.encode(), SECRET, **headers) in {200, 202}


async def test_adv_d20_a_job_has_no_address_to_post_to(gateway: Started):
    """Jobs answer in chats; a URL is refused where it is no chat, and no fetch comes of one."""
    with counting_peer() as inside:
        payload: dict[str, Any] = {"kind": "agentTurn", "message": "hello"}
        job: dict[str, Any] = {
            "name": "n",
            "schedule": {"kind": "every", "everyMs": 3_600_000},
            "sessionTarget": "isolated",
            "wakeMode": "now",
            "payload": payload,
        }
        wishes: list[dict[str, Any]] = [
            {"delivery": {"mode": "webhook", "to": inside.url}},
            {"webhook": inside.url},
            {"notify": {"url": inside.url}},
            {"payload": {**payload, "url": inside.url}},
            {"payload": {**payload, "deliver": True, "channel": inside.url, "to": inside.url}},
        ]
        async with peer(gateway.url, device="boss") as boss:
            for number, wish in enumerate(wishes):
                answer = await boss.call(f"a{number}", "cron.add", job | wish)
                if answer["ok"]:  # taken as the name of a chat service that is not there
                    wanted = {"id": answer["payload"]["id"], "mode": "force"}
                    await boss.call(f"r{number}", "cron.run", wanted)
                    await boss.call(f"d{number}", "cron.remove", {"id": wanted["id"]})
                    assert number == len(wishes) - 1
            listed = await boss.call("l", "cron.list", {"includeDisabled": True})
        assert listed["payload"]["jobs"] == []
        assert inside.arrivals == []


async def test_adv_e17_the_message_tool_only_sends_and_only_where_it_speaks(
    gateway: Started, receiver: CountingPeer
):
    """Whatever a model asks for: no other action, no other sender, no other conversation."""
    elsewhere = {"channel": "webhook", "target": "direct-eve", "message": "hi"}
    tries = (
        {**elsewhere, "action": "react", "emoji": "x"},
        {**elsewhere, "action": "read"},
        {**elsewhere, "action": "delete", "messageId": "1"},
        {**elsewhere, "action": "kick", "userId": "eve"},
        {**elsewhere, "senderId": "u-owner"},
        {**elsewhere, "requesterSenderId": "u-owner"},
        elsewhere,
        {**elsewhere, "accountId": "other"},
        {**elsewhere, "target": inside_of("eve")},
    )
    async with peer(gateway.url, device="writer", scopes=("operator.write",)) as writer:
        for number, arguments in enumerate(tries):
            said = f"[[tool:message {json.dumps(arguments)}]]"
            end = await talk(writer, f"try-{number}", said, f"r{number}")
            told = end["message"]["content"][0]["text"]
            assert told.startswith("Tool said: "), told
    async with peer(gateway.url, device="boss") as boss:
        assert (await boss.call("o", "outbox.list", {}))["payload"]["items"] == []
    assert receiver.arrivals == []


def inside_of(sender: str) -> str:
    return f"direct-{sender}/../direct-{sender}"


NAMES: Final = ("$(touch pwned).png", "`touch pwned`.png", "a;touch pwned;.png", "-oProxyCommand=x")


async def test_adv_e20_e21_a_files_name_or_host_is_never_part_of_a_command(
    gateway: Started, receiver: CountingPeer
):
    """Names of files are words, and files are fetched over HTTP or not at all."""
    url = f"{gateway.http}/channels/webhook/default"
    async with aiohttp.ClientSession() as http, peer(gateway.url, device="boss") as boss:
        for number, name in enumerate(NAMES):
            picture = {
                "type": "image",
                "mimeType": "image/png",
                "fileName": name,
                "content": base64.b64encode(PNG).decode(),
            }
            params = {
                "sessionKey": "main",
                "message": f"[[tool:write {json.dumps({'path': name, 'content': 'x'})}]]",
                "idempotencyKey": f"r{number}",
                "attachments": [picture],
            }
            assert (await boss.call(f"s{number}", "chat.send", params))["ok"]
            waited = await boss.call(
                f"w{number}", "agent.wait", {"runId": f"r{number}", "timeoutMs": 10_000}
            )
            assert waited["payload"]["status"] == "ok"
            for scheme in ("scp", "sftp", "ssh", "rsync", "file"):
                media = [{"url": f"{scheme}://evil.test/{number}", "filename": name}]
                text = f"{scheme} {number}"
                await write_direct(http, url, "ann", text, secret=SECRET, media=media)
        await drained(boss)
    assert list(gateway.home.rglob("pwned*")) == []
    assert "pwned" not in {one.name for one in Path.cwd().iterdir()}


async def drained(boss: Connection) -> None:
    """Return once no message waits for its answer."""
    count = 0
    while True:
        count += 1
        listed = (await boss.call(f"drained-{count}", "inbox.list", {}))["payload"]
        if not listed["waiting"] and not listed["working"]:
            return
