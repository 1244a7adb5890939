"""Which tools come with the gateway."""

from __future__ import annotations

from carapace.agent.approval import Risk
from carapace.agent.tools.builtin import builtin_tools


def test_memory_can_be_left_out():
    assert "memory_write" in builtin_tools()
    assert not any(name.startswith("memory") for name in builtin_tools(with_memory=False))


def test_no_built_in_tool_reaches_outside():
    assert {row.risk for row in builtin_tools().values()} == {Risk.READ, Risk.WRITE}
