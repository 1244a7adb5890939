"""The stock headless node runs a program that an operator agreed to, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carapace_tools.golden.connection import Connection
from support.gateway import TOKEN, Started, gateway_with_model
from support.stock_cli import CLAWDBOT, StockCli, node_folder
from support.ws import peer

pytestmark = [pytest.mark.node, pytest.mark.slow, pytest.mark.timeout(240)]

ASKING = {"version": 1, "defaults": {"security": "full", "ask": "always"}, "agents": {}}
ASK = ("--security", "full", "--ask", "always")


@asynccontextmanager
async def shed(cli: StockCli, gateway: Started, operator: Connection) -> AsyncGenerator[str]:
    """A headless node that asks before it runs anything; its id."""
    words = ("--host", "127.0.0.1", "--port", str(gateway.port), "--display-name", "shed")
    async with cli.running("node", "run", *words):
        await operator.until(lambda: _has_node(operator), "a node to come", 60.0)
        listed = await operator.call("list", "node.list", {})
        nodes = [one for one in listed["payload"]["nodes"] if one["connected"]]
        node_id: str = nodes[0]["nodeId"]
        asked = {"nodeId": node_id}
        now = await operator.call("get", "exec.approvals.node.get", asked)
        changed = {**asked, "file": ASKING, "baseHash": now["payload"]["hash"]}
        done = await operator.call("set", "exec.approvals.node.set", changed)
        assert done["ok"], done
        yield node_id


def _has_node(operator: Connection) -> bool:
    told = (frame["payload"]["presence"] for frame in operator.events("presence"))
    return any(entry.get("mode") == "node" for entries in told for entry in entries)


async def answer(operator: Connection, decision: str) -> dict[str, Any]:
    """Decide on the next question; what was asked."""
    seen = len(operator.events("exec.approval.requested"))
    found = await operator.until(
        lambda: operator.events("exec.approval.requested")[seen:], "a question", 60.0
    )
    asked: dict[str, Any] = found[0]["payload"]
    params = {"id": asked["id"], "decision": decision}
    resolved = await operator.call(asked["id"], "exec.approval.resolve", params)
    assert resolved["ok"], resolved
    return asked


async def test_a_program_runs_once_an_operator_agreed(tmp_path: Any) -> None:
    folder = node_folder(CLAWDBOT)
    async with (
        gateway_with_model(tmp_path) as gateway,
        peer(gateway.url, device="boss") as operator,
    ):
        cli = StockCli(folder, tmp_path / "person", gateway.url, TOKEN)
        async with shed(cli, gateway, operator) as node_id:
            async with asyncio.TaskGroup() as group:
                run = group.create_task(
                    cli("nodes", "run", "--node", node_id, *ASK, "--", "echo", "hello-shed")
                )
                asked = await answer(operator, "allow-once")
            assert asked["request"]["command"] == "echo hello-shed"
            assert run.result().code == 0, run.result()
            assert "hello-shed" in run.result().out
            # The same client cannot say by itself that somebody agreed.
            given = {"command": ["echo", "again"], "approved": True, "agentId": "main"}
            params = {"nodeId": node_id, "command": "system.run", "params": given}
            refused = await operator.call(
                "forged", "node.invoke", {**params, "idempotencyKey": "forged"}
            )
            assert "approval required" in refused["error"]["message"], refused
