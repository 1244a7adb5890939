"""A script chats with a real gateway; the account is switched off and on while it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from carapace_tools.golden.connection import Connection
from support.counting_peer import counting_peer
from support.gateway import Started, model_server, running_gateway, settings
from support.polling import until
from support.script_people import Person, webhook_settings
from support.ws import peer

pytestmark = pytest.mark.slow


def edit(gateway: Started, change: Callable[[dict[str, Any]], None]) -> None:
    path = gateway.home / "carapace.json"
    config: dict[str, Any] = json.loads(path.read_text())
    change(config)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(config))
    fresh.replace(path)


def switch(gateway: Started, *, is_on: bool) -> None:
    def change(config: dict[str, Any]) -> None:
        config["channels"]["webhook"]["enabled"] = is_on

    edit(gateway, change)


async def status_of(client: aiohttp.ClientSession, url: str) -> int:
    """What an unsigned request gets: 401 while there is such an account, else 404."""
    async with client.post(url, data=b"{}") as answer:
        return answer.status


async def becomes(client: aiohttp.ClientSession, url: str, status: int) -> None:
    async with asyncio.timeout(20):
        while await status_of(client, url) != status:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def delivered(connection: Connection) -> dict[str, Any]:
    """The account as clients are told of it, once it knows that its answer arrived."""
    async with asyncio.timeout(10):
        count = 0
        while True:
            count += 1
            answer = await connection.call(f"status-{count}", "channels.status", {})
            (row,) = answer["payload"]["channelAccounts"]["webhook"]
            if row["lastOutboundAt"] is not None:
                return row
            await asyncio.sleep(0.05)  # polls another process, with the deadline above


async def test_a_script_is_answered_and_an_account_is_off_when_it_is_off(tmp_path):
    with counting_peer() as receiver:
        async with model_server(tmp_path) as model, aiohttp.ClientSession() as client:
            config = settings(model.port)
            config["channels"] = {"webhook": webhook_settings(receiver.url)}
            async with running_gateway(tmp_path / "gateway", config) as gateway:
                url = f"{gateway.http}/channels/webhook/default"
                person = Person("ann")
                first = await person.write(client, url, "hello")
                await until(lambda: receiver.arrivals, deadline_s=20)
                body = receiver.arrivals[0].body
                assert body["replyTo"] == first
                assert body["conversation"] == {"id": "group-ann", "thread": None}
                assert body["mayBeRepeat"] is False

                async with peer(gateway.url, device="admin") as connection:
                    row = await delivered(connection)
                    assert row["running"] is True
                    assert row["lastError"] is None
                    assert row["lastInboundAt"] <= row["lastOutboundAt"]

                switch(gateway, is_on=False)
                await becomes(client, url, 404)
                switch(gateway, is_on=True)
                await becomes(client, url, 401)
                second = await person.write(client, url, "hello again")
                await until(lambda: len(receiver.arrivals) == 2, deadline_s=20)
                assert receiver.arrivals[1].body["replyTo"] == second
