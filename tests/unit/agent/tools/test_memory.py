"""The memory tools' rows."""

from __future__ import annotations

from carapace.agent.approval import Risk
from carapace.agent.tools.memory import TOOLS


def test_only_what_changes_the_memory_counts_as_writing():
    writing = {name for name, row in TOOLS.items() if row.risk is Risk.WRITE}
    assert writing == {"memory_write", "memory_forget"}
