"""A node of a scenario, on a small server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.protocol.events import Event
from carapace.protocol.nodes import NodeInvokeRequest, NodeInvokeResult
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Role
from carapace.server.dispatch import ActiveCall
from carapace_tools.golden.bindings import Bindings
from carapace_tools.golden.connection import Connection, ReplayError
from carapace_tools.golden.nodes import ScriptedNode
from carapace_tools.golden.scenario import NodeScript
from support.server import TOKEN, Running, running_server

ANSWER = {
    "type": "req",
    "id": "recorded",
    "method": "node.invoke.result",
    "params": {"id": "then", "nodeId": "node-then", "ok": True},
}
SCRIPT = NodeScript(
    name="phone",
    identity="phone",
    client={"id": "node-host", "mode": "node", "version": "1", "platform": "ios"},
    commands=["camera.snap"],
    answers={"k1": "ok"},
)


def methods(taken: list[NodeInvokeResult], *, refuse: bool = False) -> Methods:
    made = Methods()

    @made.method("node.invoke.result", role=Role.NODE)
    def result(ctx: ActiveCall, params: NodeInvokeResult) -> Any:
        """Take an answer."""
        if refuse:
            raise ValueError("not taken")
        taken.append(params)
        return {"ok": True}

    return made


def ask(running: Running, key: str) -> None:
    """Ask every node of the server."""
    only = frozenset(caller.conn_id for caller in running.server.hub.callers)
    request = NodeInvokeRequest(
        id=f"now-{key}",
        node_id="node-now",
        command="camera.snap",
        params_json=None,
        timeout_ms=1,
        idempotency_key=key,
    )
    running.server.hub.publish(Event("node.invoke.request", request, only=only))


async def joined(session: aiohttp.ClientSession, running: Running) -> ScriptedNode:
    connection = Connection(session, running.url, {})
    await connection.__aenter__()
    bindings = Bindings()
    bindings.bind("node-then", "node-now")
    node = ScriptedNode(connection, SCRIPT, lambda case: {"ok": ANSWER}[case], bindings)
    await node.join(TOKEN)
    return node


async def test_it_connects_as_a_node_and_answers_as_recorded(tmp_path: Path) -> None:
    taken: list[NodeInvokeResult] = []
    async with (
        running_server(tmp_path, methods=methods(taken)) as running,
        aiohttp.ClientSession() as session,
    ):
        node = await joined(session, running)
        assert [caller.role for caller in running.server.hub.callers] == [Role.NODE]
        ask(running, "k1")
        await node.serve("k1")
        assert [(one.id, one.node_id) for one in taken] == [("now-k1", "node-now")]
        assert node.connection.answers("recorded")[0]["ok"]
        assert len(node.asked("k1")) == 1
        await node.connection.__aexit__()


async def test_what_the_script_does_not_know_is_not_answered(tmp_path: Path) -> None:
    taken: list[NodeInvokeResult] = []
    async with (
        running_server(tmp_path, methods=methods(taken)) as running,
        aiohttp.ClientSession() as session,
    ):
        node = await joined(session, running)
        await node.serve("k2")
        assert taken == []
        assert ANSWER["params"] == {"id": "then", "nodeId": "node-then", "ok": True}
        await node.connection.__aexit__()


async def test_an_answer_that_is_refused_is_an_error(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, methods=methods([], refuse=True)) as running,
        aiohttp.ClientSession() as session,
    ):
        node = await joined(session, running)
        ask(running, "k1")
        with pytest.raises(ReplayError, match="refused"):
            await node.serve("k1")
        await node.connection.__aexit__()
