"""Advisories of group G that concern hooks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import carapace
from carapace.agent.approval import Risk
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.registry import ToolContext, Tools
from carapace.hooks.points import BEFORE_TOOL_CALL, POINTS, BeforeToolCall
from carapace.provenance import OWNER
from support.agent_house import agent_house, ask
from support.hook_bus import hook_bus
from support.scripted_provider import call_tool, say

SOURCE = Path(carapace.__file__).parent
RISKY = Tools()


class Nothing(msgspec.Struct):
    """No arguments."""


@RISKY.tool("risky", risk=Risk.DANGEROUS)
async def risky(ctx: ToolContext, params: Nothing) -> str:
    """Would do harm."""
    raise AssertionError("it ran")


TOOLS = builtin_tools().merge(RISKY)


def calls_of(name: str) -> Iterator[str]:
    """Files that call a method or function of that name."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if called == name:
                    yield str(path.relative_to(SOURCE))


@pytest.mark.slow
def test_adv_g12_a_tools_handler_is_called_in_one_place_alone():
    """All ways to a tool lead through `ToolRunner`, and so through the hooks."""
    tree = ast.parse((SOURCE / "agent/tools/runner.py").read_text("utf-8"))
    runs = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "handler"
    ]
    assert len(runs) == 1
    others = set(calls_of("handler")) - {"agent/tools/runner.py"}
    assert not {path for path in others if path.startswith("agent/")}


async def test_adv_g12_hooks_run_for_every_call_also_one_that_policy_denies():
    seen: list[str] = []
    async with (
        hook_bus() as bus,
        agent_house(
            call_tool("current_time"), call_tool("risky"), say("ok"), tools=TOOLS, hooks=bus
        ) as house,
    ):

        async def look(call: BeforeToolCall) -> None:
            assert call.provenance == OWNER
            seen.append(call.tool)

        bus.register(BEFORE_TOOL_CALL, look, owner="a test")
        await (await house.agent.submit(ask("hi"))).ended()
    assert seen == ["current_time", "risky"]


def test_adv_g02_g08_hooks_are_registered_by_code_and_found_nowhere():
    """The room reads no folder, no environment and no module name."""
    forbidden = {"importlib", "os", "pathlib", "runpy", "pkgutil", "subprocess", "sys"}
    for path in (SOURCE / "hooks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & forbidden, path.name
            if isinstance(node, ast.Name):
                assert node.id not in {"eval", "exec", "__import__", "open", "compile"}


def test_adv_g10_no_point_lets_a_handler_say_whose_words_they_are():
    for point in POINTS.values():
        assert "provenance" not in point.changes
