"""Servers are wired to the house: settings that name one are followed, and all is let go."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from carapace.config.settings.mcp import McpServer, McpSettings
from support.house import built
from support.polling import until


async def test_a_house_follows_its_settings_and_lets_go(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        assert parts.mcp.trouble() is None
        parts.mcp.apply(McpSettings(servers={"x": McpServer()}))
        await until(lambda: str(parts.mcp.trouble()).startswith("x: set either"))
    assert len(parts.mcp._tasks) == 0
