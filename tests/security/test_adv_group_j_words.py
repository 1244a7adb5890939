"""Advisory rows of group J (and Q07) at the real process: what a model is offered, by whose words.

The scripted vendor keeps what it was sent, so the tests read the list of tools off the wire.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from carapace.ids import RunId
from carapace.protocol.scopes import effective
from support.gateway import TOKEN, Started, model_server, running_gateway, settings
from support.methods import FakeCall, method_house
from support.server import make_caller
from support.ws import peer, talk

READ_WRITE = ("operator.read", "operator.write")
Rooms = tuple[Started, Started]


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[Rooms]:
    """The gateway and its vendor."""
    async with (
        model_server(tmp_path) as model,
        running_gateway(tmp_path / "gateway", settings(model.port)) as gateway,
    ):
        yield gateway, model


async def offered(model: Started) -> list[set[str]]:
    """The names of the tools in each request, oldest first."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{model.http}/_fake/requests") as response,
    ):
        requests: list[dict[str, Any]] = await response.json()
    bodies = [one["body"] for one in requests]
    return [{tool["function"]["name"] for tool in body.get("tools", [])} for body in bodies]


@pytest.mark.slow
async def test_adv_q07_a_client_without_admin_is_offered_no_tool_of_admins(rooms: Rooms):
    """Two devices, one of which may make jobs, and programs over HTTP."""
    gateway, model = rooms
    async with peer(gateway.url, device="boss") as boss:
        assert (await talk(boss, "main", "hello", "r1"))["state"] == "final"
    async with peer(gateway.url, device="helper", scopes=READ_WRITE) as helper:
        assert (await talk(helper, "main", "hello", "r2"))["state"] == "final"
        denied = await helper.call("c", "cron.add", {"name": "n"})
        assert denied["error"]["message"] == "missing scope: operator.admin"
    of_boss, of_helper = await offered(model)
    assert "cron" in of_boss
    assert of_boss - of_helper == {"cron"}
    # The shared token alone is no administrator (row A01), whatever door it is shown at.
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    job = {"name": "n", "message": "m", "every_minutes": 5}
    said = {"model": "main", "messages": [{"role": "user", "content": "hello"}]}
    async with aiohttp.ClientSession(gateway.http, headers=bearer) as session:
        for action, args, status in (("status", {}, 200), ("add", job, 403)):
            call = {"tool": "cron", "action": action, "args": args}
            async with session.post("/tools/invoke", json=call) as response:
                assert response.status == status
        async with session.post("/v1/chat/completions", json=said) as response:
            assert response.status == 200
    assert "cron" not in (await offered(model))[-1]


@pytest.mark.parametrize("granted", ["operator.write", "operator.admin"])
async def test_adv_q07_words_carry_what_their_client_lacks_through_every_method(granted: str):
    """`agent`, `chat.send` and `wake` start turns; none lends what its caller does not hold."""
    caller = replace(make_caller(), scopes=effective([granted]), granted=(granted,))
    lacks = granted != "operator.admin"
    async with method_house("one", "two") as house:
        for run_id, method in (("r1", "chat.send"), ("r2", "agent")):
            params = {"message": "hi", "sessionKey": "main", "idempotencyKey": run_id}
            await house.call(method, params, FakeCall(caller))
            run = await house.services.agent.find(RunId(run_id))
            assert run is not None
            assert run.submission.provenance.lacks_admin is lacks
        await house.call("wake", {"mode": "next-heartbeat", "text": "x"}, FakeCall(caller))
        notes = await house.agent_house.database.read(
            lambda tx: tx.all("SELECT provenance FROM system_events")
        )
    assert [json.loads(row["provenance"])["lacks_admin"] for row in notes] == [lacks]
