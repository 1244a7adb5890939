"""The older list of nodes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.auth.pairing import REQUEST_TTL_MS
from carapace.errors import Refused
from carapace.nodes import pairing as room
from carapace.nodes.pairing import NodePairing
from carapace.protocol.events import Event
from carapace.protocol.nodes import NodePairRequest
from support.clock import FakeClock
from support.database import memory_database
from support.server import audit_in, make_caller

ADMIN = make_caller(scopes=("operator.admin",))
WEAK = make_caller(scopes=("operator.pairing",))


class World:
    def __init__(self, pairing: NodePairing, clock: FakeClock, database: Any) -> None:
        self.pairing, self.clock, self.database = pairing, clock, database
        self.told: list[Event] = []

    def names(self) -> list[str]:
        return [event.name for event in self.told]

    async def waiting(self, node_id: str = "n1", **facts: Any) -> str:
        asked = NodePairRequest(node_id=node_id, **facts)
        return (await self.pairing.request(asked)).request.request_id


@asynccontextmanager
async def world(folder: Path) -> AsyncGenerator[World]:
    clock = FakeClock()
    audit = audit_in(folder, clock)
    async with memory_database() as database:
        told: list[Event] = []
        made = World(
            NodePairing(database, clock=clock, publish=told.append, audit=audit), clock, database
        )
        made.told = told
        yield made
    audit.close()


async def test_a_request_is_told_once_and_stays_as_it_was_asked(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        first = await w.pairing.request(NodePairRequest(node_id="n1", platform="linux"))
        again = await w.pairing.request(NodePairRequest(node_id="n1", commands=("system.run",)))
        assert (first.created, again.created) == (True, False)
        assert again.request == first.request
        assert w.names() == ["node.pair.requested"]


async def test_a_request_says_no_more_than_was_said(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        asked = NodePairRequest(node_id="n1", silent=True, remote_ip="10.0.0.9")
        row = msgspec.to_builtins((await w.pairing.request(asked)).request)
        assert set(row) == {"requestId", "nodeId", "remoteIp", "isRepair", "ts"}


async def test_an_approved_node_gets_its_token_once_and_can_be_checked_by_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        answer = await w.pairing.approve(WEAK, await w.waiting(commands=("camera.snap",)))
        token = answer.node.token
        assert token
        page = await w.pairing.page()
        assert (page.pending, [node.token for node in page.paired]) == ([], [None])
        rows = await w.database.read(
            lambda tx: [tuple(r) for r in tx.all("SELECT * FROM node_pairings LIMIT 9")]
        )
        assert token not in str(rows)
        good = await w.pairing.verify("n1", token)
        assert (good.ok, good.node) == (True, answer.node)
        for node_id, given in (("n1", "bad"), ("n2", token), ("n1", "")):
            assert not (await w.pairing.verify(node_id, given)).ok
        assert w.names() == ["node.pair.requested", "node.pair.resolved"]


async def test_a_second_approval_is_a_repair_with_a_new_token(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = (await w.pairing.approve(ADMIN, await w.waiting())).node
        await w.clock.advance(5.0)
        asked = await w.pairing.request(NodePairRequest(node_id="n1"))
        assert asked.request.is_repair
        new = (await w.pairing.approve(ADMIN, asked.request.request_id)).node
        assert new.created_at_ms == old.created_at_ms < new.approved_at_ms
        assert not (await w.pairing.verify("n1", old.token or "")).ok


async def test_programs_need_an_administrators_approval(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        request_id = await w.waiting(commands=("system.run",))
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await w.pairing.approve(WEAK, request_id)
        assert (await w.pairing.approve(ADMIN, request_id)).node.node_id == "n1"


async def test_a_rejected_node_may_ask_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        request_id = await w.waiting()
        assert (await w.pairing.reject(request_id)).node_id == "n1"
        with pytest.raises(Refused, match="unknown requestId"):
            await w.pairing.approve(ADMIN, request_id)
        assert await w.waiting() != request_id


async def test_a_request_is_forgotten_after_five_minutes(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        request_id = await w.waiting()
        await w.clock.advance(REQUEST_TTL_MS / 1000 + 1)
        assert (await w.pairing.page()).pending == []
        with pytest.raises(Refused, match="unknown requestId"):
            await w.pairing.reject(request_id)


async def test_so_many_wait_and_so_many_are_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_MAX_REQUESTS", 1)
    monkeypatch.setattr(room, "_MAX_PAIRINGS", 1)
    async with world(tmp_path) as w:
        first = await w.waiting("n1")
        with pytest.raises(Refused, match="too many nodes wait"):
            await w.waiting("n2")
        await w.pairing.approve(ADMIN, first)
        second = await w.waiting("n2")
        with pytest.raises(Refused, match="which is the most"):
            await w.pairing.approve(ADMIN, second)
        await w.pairing.reject(second)
        await w.pairing.approve(ADMIN, await w.waiting("n1"))
