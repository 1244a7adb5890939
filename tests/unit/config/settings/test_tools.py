from __future__ import annotations

from carapace.config.settings.tools import MemorySettings, ToolsSettings


def test_safe_tools_and_memory_are_there_by_default():
    assert (ToolsSettings().allow, ToolsSettings().deny) == ((), ())
    assert MemorySettings().enabled
