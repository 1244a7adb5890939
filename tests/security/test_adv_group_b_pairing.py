"""Advisory rows of group B at a real gateway: codes, strangers and secrets that were changed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.channels.access.service import MAX_WAITING
from carapace_tools.golden.connection import Connection
from support.counting_peer import CountingPeer, counting_peer
from support.gateway import TOKEN, Started, model_server, running_gateway
from support.gateway import settings as gateway_settings
from support.polling import until
from support.webhook_people import write_direct
from support.ws import connect_params, entered, peer

pytestmark = pytest.mark.slow
SECRETS = {"a": "the first account's secret, long", "b": "the second account's secret, long"}
HOOK_TOKEN = "hook-token-0123456789-0123456789"
READ = ("operator.read",)
BOSS = ("operator.admin", "operator.approvals", "operator.pairing")
_CODE = re.compile(r"Your code: ([A-Z0-9]+)")


@pytest.fixture
def receiver():
    with counting_peer() as one:
        yield one


@pytest.fixture
async def gateway(tmp_path: Path, receiver: CountingPeer) -> AsyncIterator[Started]:
    """Two accounts of one service, where strangers ask to be let in, and hooks."""
    accounts = {
        name: {"secret": secret, "callbackUrl": f"{receiver.url}", "dmPolicy": "pairing"}
        for name, secret in SECRETS.items()
    }
    async with model_server(tmp_path) as model:
        config = gateway_settings(model.port)
        config["channels"] = {"webhook": {"enabled": True, "accounts": accounts}}
        config["hooks"] = {"enabled": True, "token": HOOK_TOKEN}
        async with running_gateway(tmp_path / "gateway", config) as started:
            yield started


def url_of(gateway: Started, account: str) -> str:
    return f"{gateway.http}/channels/webhook/{account}"


async def people(boss: Connection, request_id: str, which: str) -> list[tuple[str, str]]:
    """Account and sender of everybody who is `pending` or `allowed`."""
    answer = await boss.call(request_id, "channels.pairing.list", {})
    return [(one["accountId"], one["senderId"]) for one in answer["payload"][which]]


async def told_code(receiver: CountingPeer, sender: str) -> str:
    """The code that somebody was sent at the service."""

    def found() -> list[str]:
        mine = [one.body for one in receiver.arrivals if sender in one.body["conversation"]["id"]]
        return [code[1] for one in mine if (code := _CODE.search(one["text"]))]

    await until(found, deadline_s=10)
    return found()[0]


async def knock(gateway: Started, device: str, **params: Any) -> dict[str, Any]:
    """What a device is answered that asks to come in."""
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, gateway.url, {}) as connection,
    ):
        return await entered(connection, connect_params(**params), device)


async def test_adv_b06_one_of_twenty_redeems_of_one_code_wins(
    gateway: Started, receiver: CountingPeer
):
    """A code lets in whom it was told, once; the same holds for a device's request."""
    await no_code_lets_a_device_in(gateway)
    async with aiohttp.ClientSession() as http, peer(gateway.url, device="boss") as boss:
        url = url_of(gateway, "a")
        assert await write_direct(http, url, "eve", "let me in", secret=SECRETS["a"]) == 200
        code = await told_code(receiver, "eve")
        asked = {"channel": "webhook", "code": code}
        answers = await asyncio.gather(
            *(boss.call(f"c{n}", "channels.pairing.approve", asked) for n in range(20))
        )
        assert sum(one["ok"] for one in answers) == 1
        assert await people(boss, "l1", "allowed") == [("a", "eve")]
        assert await people(boss, "l2", "pending") == []

        await knock(gateway, "helper", scopes=READ)
        await knock(gateway, "helper", scopes=BOSS)
        listed = await boss.call("d1", "device.pair.list", {})
        (request,) = listed["payload"]["pending"]
        wish = {"requestId": request["requestId"]}
        answers = await asyncio.gather(
            *(boss.call(f"d{n}", "device.pair.approve", wish) for n in range(10, 30))
        )
        assert sum(one["ok"] for one in answers) == 1
    # What was granted is the helper's: another key asks for itself, and gets what it paired with.
    of_helper = await knock(gateway, "helper", scopes=BOSS)
    assert set(of_helper["payload"]["auth"]["scopes"]) == {*READ, *BOSS}
    await knock(gateway, "other", scopes=READ)
    of_other = await knock(gateway, "other", scopes=BOSS)
    assert of_other["payload"]["auth"]["scopes"] == list(READ)


async def no_code_lets_a_device_in(gateway: Started) -> None:
    """Setup codes and bootstrap tokens are not made here, and are no credential."""
    fields = ("bootstrapToken", "setupCode", "pairingCode")
    for field, value in product(fields, ("", "AAAA-BBBB", TOKEN)):
        params = connect_params(token=None) | {"auth": {field: value}}
        async with (
            aiohttp.ClientSession() as session,
            Connection(session, gateway.url, {}) as connection,
        ):
            answer = await entered(connection, params, "fresh")
            assert answer["ok"] is False


async def test_adv_b07_b20_who_was_let_in_lets_nobody_in(gateway: Started, receiver: CountingPeer):
    """Neither `/pair` nor `/approve` of a paired person does a thing, and no other account knows
    that person."""
    async with aiohttp.ClientSession() as http, peer(gateway.url, device="boss") as boss:
        await write_direct(http, url_of(gateway, "a"), "ann", "hello", secret=SECRETS["a"])
        code = await told_code(receiver, "ann")
        approved = await boss.call(
            "a1", "channels.pairing.approve", {"channel": "webhook", "code": code}
        )
        assert approved["ok"], approved

        await write_direct(http, url_of(gateway, "a"), "eve", "hello", secret=SECRETS["a"])
        of_eve = await told_code(receiver, "eve")
        arrived = len(receiver.arrivals)
        tried = ("/pair", "/pair eve", f"/approve {of_eve}", f"/approve webhook {of_eve}")
        for text in (*tried, "that was all"):
            await write_direct(http, url_of(gateway, "a"), "ann", text, secret=SECRETS["a"])
        await until(
            lambda: any("that was all" in one.body["text"] for one in receiver.arrivals),
            deadline_s=10,
        )
        assert await people(boss, "l1", "allowed") == [("a", "ann")]
        assert await people(boss, "l2", "pending") == [("a", "eve")]
        assert not any(_CODE.search(one.body["text"]) for one in receiver.arrivals[arrived:])
        listed = await boss.call("d1", "device.pair.list", {})
        assert listed["payload"]["pending"] == []

        # At the other account of ours the same person is a stranger.
        await write_direct(http, url_of(gateway, "b"), "ann", "hello b", secret=SECRETS["b"])
        await until(lambda: receiver.arrivals[-1].body["account"] == "b", deadline_s=10)
        assert _CODE.search(receiver.arrivals[-1].body["text"])
        assert ("b", "ann") in await people(boss, "l3", "pending")
        assert await people(boss, "l4", "allowed") == [("a", "ann")]


async def test_adv_b19_who_floods_one_account_keeps_nobody_from_another(
    gateway: Started, receiver: CountingPeer
):
    async with aiohttp.ClientSession() as http, peer(gateway.url, device="boss") as boss:
        for number in range(MAX_WAITING + 3):
            sender = f"flood-{number}"
            await write_direct(http, url_of(gateway, "a"), sender, "x", secret=SECRETS["a"])
        await write_direct(http, url_of(gateway, "b"), "ann", "hello", secret=SECRETS["b"])
        await told_code(receiver, "ann")
        pending = await people(boss, "l1", "pending")
    assert len([one for one in pending if one[0] == "a"]) == MAX_WAITING
    assert [one for one in pending if one[0] == "b"] == [("b", "ann")]


async def test_adv_b10_a_secret_that_was_changed_is_refused_on_the_next_request(gateway: Started):
    """Of a channel's account and of the hooks: the new one works, so the old one does not."""
    path = gateway.home / "carapace.json"
    config: dict[str, Any] = json.loads(path.read_text())
    new_secret, new_token = "another secret of the account, long", HOOK_TOKEN[::-1]
    config["channels"]["webhook"]["accounts"]["a"]["secret"] = new_secret
    config["hooks"]["token"] = new_token

    async def of_channel(http: aiohttp.ClientSession, secret: str, number: int) -> int:
        return await write_direct(http, url_of(gateway, "a"), "ann", f"m{number}", secret=secret)

    async def of_hooks(http: aiohttp.ClientSession, token: str) -> int:
        head = {"Authorization": f"Bearer {token}"}
        body = {"text": "x", "mode": "next-heartbeat"}
        async with http.post(f"{gateway.http}/hooks/wake", json=body, headers=head) as answer:
            return answer.status

    async with aiohttp.ClientSession() as http:
        assert await of_channel(http, SECRETS["a"], 0) == 200
        assert await of_hooks(http, HOOK_TOKEN) == 200
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(config))
        fresh.replace(path)
        number = 1
        async with asyncio.timeout(20):
            # Another process reads the file; nothing tells us when.
            while await of_channel(http, new_secret, number) != 200:
                number += 1
                await asyncio.sleep(0.05)
            while await of_hooks(http, new_token) != 200:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        assert await of_channel(http, SECRETS["a"], number + 1) == 401
        assert await of_hooks(http, HOOK_TOKEN) == 401
