"""Servers of the Model Context Protocol, wired to the house."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from carapace.agent.mcp.pins import Pins
from carapace.agent.mcp.servers import McpServers
from carapace.agent.tools.runner import ToolRunner
from carapace.app.observing import Observing
from carapace.clock import Clock
from carapace.net.client import Egress
from carapace.store.ports import Database

__all__ = ["open_mcp"]


def open_mcp(
    tools: ToolRunner,
    *,
    database: Database,
    egress: Egress,
    state_dir: Path,
    environment: Mapping[str, str],
    clock: Clock,
    observing: Observing,
    stack: AsyncExitStack,
) -> McpServers:
    """Build what keeps them; nothing is connected before settings are applied.

    Args:
        tools: Gets their tools.
        database: Remembers what they said of their tools.
        egress: The way to addresses.
        state_dir: Ours; programs get a folder each below `mcp` in it.
        environment: Ours.
        clock: The time.
        observing: The log's redactor and the audit trail.
        stack: Closes what has to be closed.
    """
    servers = McpServers(
        tools,
        pins=Pins(database, clock, audit=observing.audit),
        egress=egress,
        folder=state_dir / "mcp",
        environ=environment,
        clock=clock,
        redactor=observing.redactor,
    )
    stack.push_async_callback(servers.aclose)
    return servers
