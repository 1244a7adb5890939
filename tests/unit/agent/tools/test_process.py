"""Commands in the background: listed, read and ended by their own session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from carapace.agent.approval import Risk
from carapace.agent.exec.keeping import Kept
from carapace.agent.exec.looking import look_at
from carapace.agent.exec.processes import Processes
from carapace.agent.exec.types import Exit, OpenCommand
from carapace.agent.tools.process import ProcessParams, process_tools
from carapace.agent.tools.registry import ToolContext, ToolTrouble
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import OWNER
from support.clock import FakeClock
from support.commands import Yard
from support.polling import until


async def forever(opened: OpenCommand, _fence: Any, kept: Kept, **_: Any) -> None:
    """A command that writes a line and waits to be ended."""
    kept.stdout.add(b"begun\n")
    try:
        await until(lambda: False, deadline_s=60.0)
    finally:
        opened.close()
        kept.exit = Exit(killed=True)
        kept.ended.set()


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncGenerator[Processes]:
    yard = Yard(tmp_path)
    made = Processes(yard.private, FakeClock(), runner=forever)
    opened = look_at(["sleep", "9"], None, yard.look)
    child = made.start(opened, yard.fence, SessionKey("mine"), timeout_s=60.0)
    await until(lambda: child.kept.stdout.text)
    yield made
    await made.aclose()


async def call(processes: Processes, action: Any, child: str | None = None, *, key: str) -> str:
    unused: Any = None
    context = ToolContext(
        run_id=RunId("r"),
        session_key=SessionKey(key),
        agent_id=AgentId("main"),
        provenance=OWNER,
        timezone=None,
        clock=FakeClock(),
        sessions=unused,
        memory=unused,
    )
    row = process_tools(processes)["process"]
    assert row.risk is Risk.DANGEROUS
    return str(await row.handler(context, ProcessParams(action=action, id=child)))


async def test_a_session_lists_reads_and_ends_its_own(processes: Processes):
    assert await call(processes, "list", key="mine") == "p1 running: sleep 9"
    assert "begun" in await call(processes, "log", "p1", key="mine")
    assert "ended on request" in await call(processes, "kill", "p1", key="mine")
    assert await call(processes, "list", key="mine") == "p1 ended: sleep 9"


async def test_another_session_sees_and_ends_nothing(processes: Processes):
    assert await call(processes, "list", key="other") == "No command was started in this session."
    for action in ("log", "kill"):
        with pytest.raises(ToolTrouble, match="no process 'p1'"):
            await call(processes, action, "p1", key="other")
    assert processes.get(SessionKey("mine"), "p1").is_running


async def test_an_id_is_needed_to_read_or_end_one(processes: Processes):
    with pytest.raises(ToolTrouble, match="needs the id"):
        await call(processes, "kill", key="mine")
