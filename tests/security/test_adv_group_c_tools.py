"""Advisory rows of group C (and Q27, Q28, Q38) at the tools of agents."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.agent.prompt import PromptStyle
from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.files.tools import FileTools
from carapace.agent.tools.invoke import NotInvoked, ToolInvoker
from carapace.agent.tools.policy import Layer, ToolLayers, ToolScope, scope_of
from carapace.agent.tools.runner import ToolReport
from carapace.agent.tools.session_messages import SessionsSendTool
from carapace.agent.types import RunSource
from carapace.clock import SystemClock
from carapace.ids import AgentId
from support.agent_house import AgentHouse, agent_house
from support.house import built
from support.tool_calls import program, tool_context

OUTSIDE = (
    "\uff0e\uff0e/secret",
    "\u2024\u2024/secret",
    "..\u2215secret",
    "..\u2044secret",
    "..\uff0fsecret",
    "..\\secret",
    "%2e%2e/secret",
    "..%2fsecret",
    "..%c0%afsecret",
    "\u2025/secret",
    "a/\u2026/../secret",
    "....//secret",
    "..;/secret",
    ".\u200b./secret",
    "..\u0000/secret",
    "file:///secret",
    "sec\u0301ret/../../secret",
)
"""Ways to write `..` or `/` that somebody, somewhere, folds into the real ones."""


async def use(house: AgentHouse, name: str, *, context: Any = None, **arguments: Any) -> ToolReport:
    call = ToolCall("c", name, msgspec.json.encode(arguments).decode())
    return await house.agent._turns._tools.run(call, tool_context(house, **(context or {})))


@pytest.mark.parametrize("name", ["sessions_history", "session_status", "sessions_send"])
async def test_adv_c15_sessions_of_another_agent_are_not_reached(name: str):
    async with agent_house() as house:
        house.agent._turns._tools.add(*SessionsSendTool(house.agent).tools().values())
        await house.sessions.ensure("agent:other:main")
        more = {"message": "x"} if name == "sessions_send" else {}
        report = await use(house, name, sessionKey="agent:other:main", **more)
        assert report.is_error
        assert "another agent" in report.text


async def test_adv_c15_a_list_holds_sessions_of_the_agent_alone():
    async with agent_house() as house:
        for key in ("agent:main:a", "agent:other:b"):
            await house.sessions.ensure(key)
        found = await use(house, "sessions_list")
        assert [one["key"] for one in found.details["sessions"]] == ["agent:main:a"]


@pytest.mark.slow
async def test_adv_c28_no_tool_writes_the_configuration(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        names = {one.name for one in parts.tools.specs(RunSource.OPERATOR, PromptStyle.FULL)}
        assert not {name for name in names if "config" in name or name == "gateway"}


@pytest.mark.parametrize("path", OUTSIDE)
async def test_adv_q28_no_form_of_a_path_leaves_the_workspace(tmp_path: Path, path: str):
    root = tmp_path / "workspace"
    root.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("outside")
    async with agent_house(tools=FileTools(lambda _agent: root).tools()) as house:
        assert (await use(house, "read", path=path)).is_error
        await use(house, "write", path=path, content="bad")
        patch = f"*** Begin Patch\n*** Add File: {path}\n+bad\n*** End Patch"
        await use(house, "apply_patch", input=patch)
    assert secret.read_text() == "outside"
    assert {one.name for one in tmp_path.iterdir()} == {"secret", "workspace"}


async def test_adv_q27_an_agent_does_not_read_the_files_of_another(tmp_path: Path):
    for name in ("main", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "note").write_text(f"of {name}")
    tools = FileTools(lambda agent: tmp_path / agent).tools()
    async with agent_house(tools=tools) as house:
        assert (await use(house, "read", path="note")).text == "of main"
        for path in (str(tmp_path / "other" / "note"), "../other/note"):
            assert (await use(house, "read", path=path)).is_error
        other = {"agent_id": AgentId("other")}
        assert (await use(house, "read", context=other, path="note")).text == "of other"


async def test_adv_q38_one_policy_holds_at_every_door():
    async with agent_house(tools=builtin_tools()) as house:
        runner = house.agent._turns._tools
        runner.restrict(ToolLayers(everywhere=Layer("tools", deny=("sessions_list",))))
        listed = runner.specs(RunSource.OPERATOR, PromptStyle.FULL, _scope(house))
        assert "sessions_list" not in {one.name for one in listed}
        assert (await use(house, "sessions_list")).outcome == "denied"
        invoker = ToolInvoker(
            runner,
            sessions=house.sessions,
            memory=house.memory,
            profiles=house.profiles,
            clock=SystemClock(),
        )
        found = await invoker.invoke("sessions_list", caller=program())
        assert found == NotInvoked("not_found", "Tool not available: sessions_list")


def _scope(house: AgentHouse) -> ToolScope:
    ctx = tool_context(house)
    return scope_of(ctx.session_key, ctx.provenance)
