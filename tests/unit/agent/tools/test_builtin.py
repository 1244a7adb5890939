"""Which tools come with the gateway."""

from __future__ import annotations

from carapace.agent.approval import Risk
from carapace.agent.providers.local_tools import MAX_TOOLS
from carapace.agent.tools.builtin import builtin_tools


def test_memory_can_be_left_out():
    assert "memory_write" in builtin_tools()
    assert not any(name.startswith("memory") for name in builtin_tools(with_memory=False))


def test_the_embedded_model_can_be_offered_every_core_tool():
    core = [name for name, row in builtin_tools().items() if row.is_core]
    assert core[:3] == ["current_time", "memory_write", "memory_search"]
    assert len(core) <= MAX_TOOLS


def test_no_built_in_tool_reaches_outside():
    assert {row.risk for row in builtin_tools().values()} == {Risk.READ, Risk.WRITE}
