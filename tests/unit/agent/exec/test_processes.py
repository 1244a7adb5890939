"""Commands that run are seen by their own session, bounded, and ended with the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from carapace.agent.exec.keeping import Kept
from carapace.agent.exec.looking import look_at
from carapace.agent.exec.processes import (
    MAX_KEPT,
    MAX_RUNNING,
    MAX_RUNNING_OF_SESSION,
    Child,
    Processes,
)
from carapace.agent.exec.types import Exit, OpenCommand
from carapace.agent.tools.registry import ToolTrouble
from carapace.ids import SessionKey
from support.clock import FakeClock
from support.commands import Yard

A, B, C = SessionKey("agent:main:a"), SessionKey("agent:main:b"), SessionKey("agent:main:c")


class Runner:
    """Runs nothing until it is told to end; ends what is cancelled as the real one does."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, opened: OpenCommand, _fence: Any, kept: Kept, **_: Any) -> None:
        end = Exit(killed=True)
        try:
            await self.go.wait()
            end = Exit(code=0)
        finally:
            opened.close()
            kept.exit = end
            kept.ended.set()


class Shop:
    """Processes over a runner, with a way to start one."""

    def __init__(self, folder: Path) -> None:
        self.yard = Yard(folder)
        self.runner = Runner()
        self.processes = Processes(self.yard.private / "new", FakeClock(), runner=self.runner)

    def start(self, session: SessionKey = A) -> Child:
        opened = look_at(["echo", "hi"], None, self.yard.look)
        return self.processes.start(opened, self.yard.fence, session, timeout_s=5.0)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncGenerator[Shop]:
    made = Shop(tmp_path)
    yield made
    await made.processes.aclose()


async def test_a_command_is_seen_by_its_own_session_only(shop: Shop):
    child = shop.start()
    assert shop.processes.of(A) == [child]
    assert shop.processes.get(A, child.child_id) is child
    assert shop.processes.of(B) == []
    with pytest.raises(ToolTrouble, match="no process 'p1' of this session"):
        shop.processes.get(B, child.child_id)
    assert child.shown == "echo hi"


async def test_one_that_ended_can_still_be_read(shop: Shop):
    child = shop.start()
    await asyncio.sleep(0)
    shop.runner.go.set()
    await child.kept.ended.wait()
    assert child.kept.exit == Exit(code=0)
    assert shop.processes.get(A, "p1") is child
    await shop.processes.end(child)
    assert child.kept.exit == Exit(code=0)


@pytest.mark.parametrize("begun", [True, False])
async def test_ending_one_waits_until_it_is_gone(shop: Shop, begun: bool):
    child = shop.start()
    if begun:
        await asyncio.sleep(0)
    await shop.processes.end(child)
    assert child.kept.exit == Exit(killed=True)
    assert not child.is_running


async def test_too_many_at_once_are_refused_and_hold_nothing(shop: Shop):
    for session in (A, B):
        for _ in range(MAX_RUNNING_OF_SESSION):
            shop.start(session)
    for session in (A, C):
        before = sum(1 for _ in Path("/dev/fd").iterdir())
        with pytest.raises(ToolTrouble, match="too many commands"):
            shop.start(session)
        assert sum(1 for _ in Path("/dev/fd").iterdir()) == before
    assert MAX_RUNNING == 2 * MAX_RUNNING_OF_SESSION


async def test_of_those_that_ended_only_the_last_are_kept(shop: Shop):
    shop.runner.go.set()
    for _ in range(MAX_KEPT + 3):
        await shop.start().kept.ended.wait()
        await asyncio.sleep(0)
    ids = [one.child_id for one in shop.processes.of(A)]
    assert len(ids) <= MAX_KEPT + 1
    assert "p1" not in ids
    assert ids[-1] == f"p{MAX_KEPT + 3}"


async def test_closing_ends_all_and_starts_no_more(shop: Shop):
    child = shop.start()
    await asyncio.sleep(0)
    await shop.processes.aclose()
    assert child.kept.exit == Exit(killed=True)
    with pytest.raises(ToolTrouble, match="stopping"):
        shop.start()
