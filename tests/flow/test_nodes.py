"""Nodes of a real gateway: many at once, some dying, one revoked, one that is followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import pytest_asyncio

from carapace_tools.golden.connection import Connection
from carapace_tools.golden.identity import Identity
from support.gateway import TOKEN, Started, gateway_with_model
from support.ws import chat_events, peer

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NODES = 200
DYING = frozenset({50, 150})
"""One in a hundred: these go away once they have been asked."""
DEADLINE_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Started]:
    folder: Path = tmp_path_factory.mktemp("nodes")
    async with gateway_with_model(folder, limits={"maxUnauthenticatedPerAddress": 300}) as started:
        yield started


class PhoneNode:
    """A phone that takes pictures, with a connection of its own to lose."""

    def __init__(self, url: str, name: str) -> None:
        self.identity = Identity(name)
        self._session = aiohttp.ClientSession()
        self.link = Connection(self._session, url, {})

    async def __aenter__(self) -> Self:
        await self.link.__aenter__()
        await self.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.__aexit__()
        await self._session.close()

    async def die(self) -> None:
        """Gone without a word."""
        await self._session.close()

    @property
    def node_id(self) -> str:
        return self.identity.device_id

    async def join(self) -> None:
        client = {"id": "node-host", "mode": "node", "version": "1", "platform": "ios"}
        params = {
            "minProtocol": 3,
            "maxProtocol": 3,
            "client": client,
            "role": "node",
            "scopes": [],
            "commands": ["camera.snap"],
            "auth": {"token": TOKEN},
        }
        await self.link.connect(params, TOKEN, self.identity)

    async def asked(self) -> dict[str, Any]:
        """The request it is sent."""
        found = await self.link.until(
            lambda: self.link.events("node.invoke.request"), "a request", DEADLINE_S
        )
        payload: dict[str, Any] = found[0]["payload"]
        return payload

    async def answer(self) -> None:
        request = await self.asked()
        params = {"id": request["id"], "nodeId": self.node_id, "ok": True}
        shot = {**params, "payload": {"by": self.node_id}}
        answer = await self.link.call("answer", "node.invoke.result", shot)
        assert answer["payload"] == {"ok": True}


def snap(node: PhoneNode, **more: Any) -> dict[str, Any]:
    asked = {"nodeId": node.node_id, "command": "camera.snap", "idempotencyKey": node.node_id}
    return {**asked, "timeoutMs": 30_000, **more}


async def invoke(operator: Connection, node: PhoneNode, **more: Any) -> dict[str, Any]:
    """Ask, and wait as long as the gateway may."""
    request_id = f"invoke-{node.node_id}"
    request = {"type": "req", "id": request_id, "method": "node.invoke"}
    await operator.send({**request, "params": snap(node, **more)})
    found = await operator.until(lambda: operator.answers(request_id), "an answer", DEADLINE_S)
    answer: dict[str, Any] = found[0]
    return answer


async def test_every_caller_of_two_hundred_nodes_gets_an_answer_though_some_die(
    gateway: Started,
) -> None:
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(PhoneNode(gateway.url, f"node-{number}"))
            for number in range(NODES)
        ]
        callers = [
            await stack.enter_async_context(peer(gateway.url, device=f"caller-{number}"))
            for number in range(4)
        ]

        async def serve(number: int, node: PhoneNode) -> None:
            if number in DYING:
                await node.asked()
                await node.die()
            else:
                await node.answer()

        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
            for number, node in enumerate(nodes):
                group.create_task(serve(number, node))
            asked = [
                group.create_task(invoke(callers[number % len(callers)], node))
                for number, node in enumerate(nodes)
            ]
        answers = [task.result() for task in asked]
    for number, (node, answer) in enumerate(zip(nodes, answers, strict=True)):
        if number in DYING:
            assert answer["error"]["message"] == "node disconnected (camera.snap)"
        else:
            assert answer["payload"]["payload"] == {"by": node.node_id}


async def test_a_node_that_says_nothing_ends_as_a_timeout(gateway: Started) -> None:
    async with (
        peer(gateway.url, device="boss") as operator,
        PhoneNode(gateway.url, "silent") as node,
    ):
        answer = await invoke(operator, node, timeoutMs=200)
        assert answer["error"]["details"]["nodeError"]["code"] == "TIMEOUT"
        late = {"id": (await node.asked())["id"], "nodeId": node.node_id, "ok": True}
        taken = await node.link.call("late", "node.invoke.result", late)
        assert taken["payload"] == {"ok": True, "ignored": True}


async def test_a_revoked_node_is_closed_and_its_callers_told(gateway: Started) -> None:
    async with peer(gateway.url, device="boss") as operator:
        async with PhoneNode(gateway.url, "revoked") as node:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(invoke(operator, node))
                await node.asked()
                params = {"deviceId": node.node_id, "role": "node"}
                revoked = await operator.call("revoke", "device.token.revoke", params)
                assert revoked["ok"]
            assert asked.result()["error"]["message"] == "node disconnected (camera.snap)"
            closed = await node.link.until(lambda: node.link.closed, "the close")
            assert closed[:2] == (1008, "device token revoked")
        listed = await operator.call("list", "node.list", {})
        assert node.node_id not in {row["nodeId"] for row in listed["payload"]["nodes"]}


async def test_a_node_follows_a_session_and_hears_each_event_once(gateway: Started) -> None:
    async with (
        peer(gateway.url, device="boss") as operator,
        PhoneNode(gateway.url, "follower") as node,
    ):
        link = node.link
        woken = await link.until(lambda: link.events("voicewake.changed"), "the wake words")
        assert woken[0]["payload"]["triggers"]
        subscribe = {"event": "chat.subscribe", "payloadJSON": '{"sessionKey":"main"}'}
        assert (await link.call("s", "node.event", subscribe))["ok"]
        said = {"sessionKey": "main", "message": "hello", "idempotencyKey": "followed"}
        other = {**said, "sessionKey": "elsewhere", "idempotencyKey": "unseen"}
        for one in (other, said):
            assert (await operator.call(one["idempotencyKey"], "chat.send", one))["ok"]
            run_id = one["idempotencyKey"]
            await operator.until(
                lambda run=run_id: chat_events(operator, run, "final"), f"the end of {run_id}"
            )
        await link.until(lambda: chat_events(link, "followed", "final"), "the final")
        assert len(chat_events(link, "followed", "final")) == 1
        heard = link.events("agent", "chat")
        assert {frame["payload"]["runId"] for frame in heard} == {"followed"}
        assert all("seq" not in frame for frame in heard)
        seqs = [one["payload"]["seq"] for one in link.events("agent")]
        assert seqs == sorted(set(seqs))
