"""Advisory rows of group J (and L06): which tools a run has, and what they reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.agent.prompt import PromptStyle
from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.files.tools import FileTools
from carapace.agent.tools.policy import SUBAGENT_DENY, Layer, ToolLayers, scope_of
from carapace.agent.tools.runner import ToolReport
from carapace.agent.types import RunSource, source_of
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import OWNER, Authority, Origin, Provenance
from support.agent_house import AgentHouse, agent_house, done
from support.scripted_provider import call_tool, say
from support.tool_calls import tool_context

GROUP = "agent:main:zalo:group:g1"
LISTS = ToolLayers(
    groups={("zalo", "", "g1"): Layer("group", allow=("session_status",))},
    subagents=Layer("sub", deny=SUBAGENT_DENY),
)
EVERY_ORIGIN = [
    Provenance(origin=origin, authority=authority) for origin in Origin for authority in Authority
]


async def use(house: AgentHouse, name: str, *, context: Any = None, **arguments: Any) -> ToolReport:
    call = ToolCall("c", name, msgspec.json.encode(arguments).decode())
    return await house.agent._turns._tools.run(call, tool_context(house, **(context or {})))


def files(root: Path) -> Any:
    return builtin_tools().merge(FileTools(lambda _agent: root).tools())


async def test_adv_j03_identity_md_is_not_written_through_a_link(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("outside")
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "IDENTITY.md").symlink_to(secret)
    async with agent_house(tools=files(root)) as house:
        for name, arguments in (
            ("write", {"content": "bad"}),
            ("edit", {"oldText": "outside", "newText": "bad"}),
        ):
            assert (await use(house, name, path="IDENTITY.md", **arguments)).is_error
        patch = "*** Begin Patch\n*** Update File: IDENTITY.md\n-outside\n+bad\n*** End Patch"
        assert (await use(house, "apply_patch", input=patch)).is_error
    assert secret.read_text() == "outside"


async def test_adv_j04_no_file_tool_reads_through_a_link(tmp_path: Path):
    root = tmp_path / "workspace"
    root.mkdir()
    (tmp_path / "secret").write_text("outside")
    (root / "file").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    async with agent_house(tools=files(root)) as house:
        for path in ("file", "folder/secret", "folder"):
            report = await use(house, "read", path=path)
            assert report.is_error
            assert "outside" not in report.text


def test_adv_j05_a_child_has_no_tool_that_its_parent_has_not():
    names = [*builtin_tools(), "read", "write", "exec", "sessions_send", "message"]
    parent = scope_of(GROUP, OWNER)
    child = scope_of("agent:main:subagent:x", OWNER, GROUP)
    of_parent = {name for name in names if LISTS.permits(name, parent)}
    of_child = {name for name in names if LISTS.permits(name, child)}
    assert of_child <= of_parent == {"session_status"}
    assert not of_child & {"sessions_send", "sessions_spawn"}


async def test_adv_j05_the_lists_of_the_parent_hold_in_the_childs_turn(tmp_path: Path):
    script = (call_tool("write", '{"path":"a","content":"x"}'), say("done"))
    async with agent_house(*script, tools=files(tmp_path / "w")) as house:
        house.agent._turns._tools.restrict(LISTS)
        child = "agent:main:subagent:x"
        await house.sessions.patch(SessionsPatch(key=child, spawned_by=GROUP))
        await done(house, "work", key=child)
        first = house.provider.requests[0]
        assert {tool.name for tool in first.tools} == set()
    assert not (tmp_path / "w" / "a").exists()


@pytest.mark.parametrize("provenance", EVERY_ORIGIN, ids=str)
async def test_adv_j06_what_is_shown_is_what_may_be_used_without_asking_or_with(
    provenance: Provenance, tmp_path: Path
):
    """Only the owner's own words read; words without authority use nothing at all."""
    async with agent_house(tools=files(tmp_path)) as house:
        source = source_of(provenance)
        shown = {one.name for one in house.agent._turns._tools.specs(source, PromptStyle.FULL)}
        is_owner = source in (RunSource.OPERATOR, RunSource.HTTP)
        assert ("read" in shown) is is_owner
        report = await use(
            house, "write", context={"provenance": provenance}, path="a", content="x"
        )
        assert (report.outcome == "ok") is is_owner
        assert (tmp_path / "a").exists() is is_owner


async def test_adv_j14_a_call_of_a_tool_that_was_not_listed_is_denied(tmp_path: Path):
    script = (call_tool("write", '{"path":"a","content":"x"}'), say("done"))
    async with agent_house(*script, tools=files(tmp_path)) as house:
        house.agent._turns._tools.restrict(
            ToolLayers(agents={"main": Layer("agents", deny=("group:fs",))})
        )
        await done(house, "write it")
        assert "write" not in {tool.name for tool in house.provider.requests[0].tools}
        told = house.provider.requests[1].messages[-1].parts[0]
        assert "not permitted" in told.text  # pyright: ignore[reportAttributeAccessIssue] - a result
    assert not (tmp_path / "a").exists()


async def test_adv_l06_a_tool_is_known_by_its_exact_name_and_risk_is_not_a_models_to_say(
    tmp_path: Path,
):
    outsider = {"provenance": Provenance(origin=Origin.HOOK, authority=Authority.OUTSIDE)}
    async with agent_house(tools=files(tmp_path)) as house:
        for name in ("WRITE", "write ", "tool.write", "write\u200b"):
            assert (await use(house, name, path="a", content="x")).outcome == "unknown"
        report = await use(
            house, "read", context=outsider, path="a", risk="read", kind="safe", approved=True
        )
        assert report.outcome == "denied"
