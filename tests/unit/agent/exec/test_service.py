"""What runs is exactly what was allowed, and nothing runs where it cannot be fenced in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from carapace.agent.exec.processes import Processes
from carapace.agent.exec.service import MAX_TIMEOUT_S, ExecParams, ExecService
from carapace.agent.exec.types import Exit
from carapace.agent.tools.registry import ToolTrouble
from carapace.clock import SystemClock
from carapace.config.settings.agent_exec import AgentExec
from carapace.config.settings.exec import ExecSettings
from carapace.confine import can_fence
from carapace.ids import AgentId, SessionKey
from carapace.tasks import Tasks
from support.commands import Yard
from support.polling import until

MAIN, SESSION = AgentId("main"), SessionKey("agent:main:main")
needs_fence = pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp")


class Shop:
    """A service over real processes."""

    def __init__(self, folder: Path, settings: ExecSettings | None = None) -> None:
        self.yard = Yard(folder)
        self.is_fence_there = True
        self.processes = Processes(self.yard.private, SystemClock())
        self.service = ExecService(
            self.processes,
            settings or ExecSettings(security="allowlist"),
            workspace_of=lambda _: self.yard.root,
            state_dir=self.yard.state,
            home=None,
            environ={"LANG": "C.UTF-8"},
            is_fence_there=lambda: self.is_fence_there,
            variables=self.given,
        )
        self.variables: dict[str, str] = {}

    async def given(self, agent_id: AgentId, program: str) -> dict[str, str]:
        """What a skill that needs `env` would be given."""
        assert agent_id == MAIN
        return self.variables if program == "env" else {}

    async def digest(self, params: ExecParams) -> str:
        opened = await self.service.look(params, MAIN)
        opened.close()
        return opened.command.digest


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncGenerator[Shop]:
    made = Shop(tmp_path)
    yield made
    await made.processes.aclose()


@needs_fence
@pytest.mark.slow
async def test_what_was_allowed_runs(shop: Shop):
    params = ExecParams(argv=("echo", "hi"))
    child = await shop.service.run(
        params, agent_id=MAIN, session_key=SESSION, approved=await shop.digest(params)
    )
    assert child.kept.exit == Exit(code=0)
    assert child.kept.stdout.text == "hi\n"


@needs_fence
@pytest.mark.slow
async def test_a_program_is_given_what_its_skill_needs_and_nobody_elses_name(shop: Shop):
    shop.variables = {"TIDE_KEY": "k", "PATH": "/evil"}
    params = ExecParams(argv=("env",))
    child = await shop.service.run(
        params, agent_id=MAIN, session_key=SESSION, approved=await shop.digest(params)
    )
    assert "TIDE_KEY=k" in child.kept.stdout.text
    assert "/evil" not in child.kept.stdout.text
    # Another value is another command: what was allowed before does not run with it.
    before = await shop.digest(params)
    shop.variables = {"TIDE_KEY": "other"}
    assert await shop.digest(params) != before
    for argv in (("/usr/bin/env",), ("echo",)):
        opened = await shop.service.look(ExecParams(argv=argv), MAIN)
        opened.close()
        assert "TIDE_KEY" not in opened.command.env


@pytest.mark.parametrize("approved", ["", "0" * 64])
async def test_what_was_not_allowed_does_not(shop: Shop, approved: str):
    with pytest.raises(ToolTrouble, match="approval_stale"):
        await shop.service.run(
            ExecParams(argv=("echo",)), agent_id=MAIN, session_key=SESSION, approved=approved
        )
    assert shop.processes.of(SESSION) == []


@needs_fence
@pytest.mark.slow
async def test_a_background_command_is_answered_at_once_and_goes_on(shop: Shop):
    params = ExecParams(argv=("sleep", "64"), background=True)
    child = await shop.service.run(
        params, agent_id=MAIN, session_key=SESSION, approved=await shop.digest(params)
    )
    assert child.is_running
    await shop.processes.end(child)
    assert child.kept.exit == Exit(killed=True)


@needs_fence
@pytest.mark.slow
async def test_a_run_that_is_stopped_ends_its_command(shop: Shop):
    params = ExecParams(argv=("sleep", "65"))
    approved = await shop.digest(params)
    turn = Tasks("turn", lambda _name, _error: None)
    work = shop.service.run(params, agent_id=MAIN, session_key=SESSION, approved=approved)
    turn.start(work, name="run")
    await until(lambda: shop.processes.of(SESSION), deadline_s=20)
    await turn.close()
    assert shop.processes.of(SESSION)[0].kept.exit == Exit(killed=True)


@needs_fence
@pytest.mark.slow
async def test_a_command_may_take_no_longer_than_it_says(shop: Shop):
    params = ExecParams(argv=("sleep", "66"), timeout=1)
    child = await shop.service.run(
        params, agent_id=MAIN, session_key=SESSION, approved=await shop.digest(params)
    )
    assert child.kept.exit == Exit(timed_out=True)


async def test_nothing_runs_where_it_cannot_be_fenced_in_unless_the_operator_says_so(shop: Shop):
    shop.is_fence_there = False
    with pytest.raises(ToolTrouble, match=r"tools\.exec\.sandbox"):
        await shop.service.look(ExecParams(argv=("echo",)), MAIN)
    shop.service.apply(ExecSettings(security="full", sandbox="off"))
    assert await shop.digest(ExecParams(argv=("echo",)))


async def test_a_look_that_nobody_waits_for_holds_nothing(shop: Shop):
    before = sum(1 for _ in Path("/dev/fd").iterdir())
    looking = Tasks("looking", lambda _name, _error: None)
    looking.start(shop.service.look(ExecParams(argv=("echo",)), MAIN), name="look")
    await asyncio.sleep(0)
    await looking.close()
    await until(lambda: sum(1 for _ in Path("/dev/fd").iterdir()) == before, deadline_s=20)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"argv":[]}',
        '{"argv":"ls -l"}',
        '{"command":"ls"}',
        '{"argv":["ls"],"env":{"LD_PRELOAD":"x"}}',
        '{"argv":["ls"],"approved":"x"}',
        f'{{"argv":["ls"],"timeout":{MAX_TIMEOUT_S + 1}}}',
    ],
)
def test_arguments_are_a_list_and_nothing_else(text: str):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=ExecParams)


@needs_fence
@pytest.mark.slow
async def test_an_agents_own_limit_ends_a_command_whatever_was_asked_for(shop: Shop):
    shop.service.own_of = lambda agent_id: AgentExec(timeout_sec=1 if agent_id == MAIN else None)
    params = ExecParams(argv=("sleep", "67"), timeout=600)
    child = await shop.service.run(
        params, agent_id=MAIN, session_key=SESSION, approved=await shop.digest(params)
    )
    assert child.kept.exit == Exit(timed_out=True)


@needs_fence
@pytest.mark.slow
async def test_an_agents_own_limit_is_within_that_of_all(shop: Shop):
    shop.service.apply(ExecSettings(security="allowlist", timeout_sec=1))
    shop.service.own_of = lambda _: AgentExec(timeout_sec=3_600)
    params = ExecParams(argv=("sleep", "68"), timeout=600)
    child = await shop.service.run(
        params, agent_id=MAIN, session_key=SESSION, approved=await shop.digest(params)
    )
    assert child.kept.exit == Exit(timed_out=True)
