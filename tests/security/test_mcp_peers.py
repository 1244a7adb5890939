"""Real servers, both ways: what they reach, what they can make us hold, and how they end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.agent.mcp.connection import McpConnection
from carapace.agent.mcp.definitions import Listing
from carapace.agent.mcp.program import Place
from carapace.agent.mcp.transport import http_streams, program_streams
from carapace.agent.tools.registry import ToolTrouble
from carapace.clock import SystemClock
from carapace.config.settings.mcp import McpServer
from carapace.confine import can_fence
from support.egress import make_egress
from support.mcp_peers import http_peer, stdio_entry
from support.polling import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp"),
]


class Peer:
    """A connection to a real server.

    Attributes:
        listings: What it listed so far.
        marks: A folder that the server may write.
    """

    def __init__(self, connection: McpConnection, listings: list[Listing], marks: Path) -> None:
        self.listings = listings
        self.marks = marks
        self.connection = connection

    async def call(self, tool: str, **arguments: Any) -> str:
        return await self.connection.call(tool, arguments, shown=f"mcp_x_{tool}")


@asynccontextmanager
async def connected(kind: str, tmp_path: Path) -> AsyncGenerator[Peer]:
    """A connection to a server of this kind."""
    listings: list[Listing] = []

    async def take(listing: Listing) -> None:
        listings.append(listing)

    async with AsyncExitStack() as stack:
        if kind == "http":
            peer = await stack.enter_async_context(http_peer())
            settings = McpServer(url=peer.url)
        else:
            settings = msgspec.convert(stdio_entry(), McpServer)
        egress, place = make_egress(tmp_path)[0], Place(tmp_path / "own", os.environ)

        def streams(lost: Any) -> Any:
            if kind == "http":
                return http_streams("x", settings, egress)
            return program_streams(settings, place, lambda _line: None, lost)

        connection = McpConnection("x", settings, streams, on_tools=take, clock=SystemClock())
        group = await stack.enter_async_context(asyncio.TaskGroup())
        task = group.create_task(connection.run())
        await until(lambda: connection.trouble is None, deadline_s=30)
        (tmp_path / "own").mkdir(exist_ok=True)
        yield Peer(connection, listings, tmp_path / "own")
        task.cancel()


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_a_real_server_can_only_do_so_much(kind: str, tmp_path: Path):
    async with connected(kind, tmp_path) as peer:
        assert (await peer.call("add", a=1, b=2)).splitlines()[3] == "3"

        # However much it answers, little is kept.
        assert len(await peer.call("big", chars=2_000_000)) < 20_000

        # Whoever stops waiting for it stops it.
        mark = peer.marks / "mark"
        waiting = asyncio.create_task(peer.call("wait", mark=str(mark)))
        await until(mark.exists, deadline_s=20)
        waiting.cancel()
        await until(lambda: mark.read_text() == "cancelled", deadline_s=20)

        # What it says otherwise is heard, and is another definition.
        await peer.call("poison")
        await until(lambda: len(peer.listings) == 2, deadline_s=20)
        first, second = (
            {one.said_name: one.digest for one in listing.tools} for listing in peer.listings
        )
        assert {name for name in first if first[name] != second[name]} == {"add"}

        # Its end in the middle of a call is told at once.
        with pytest.raises(ToolTrouble, match="was lost while it worked"):
            await peer.call("die")


async def test_a_fenced_program_reaches_no_files_and_no_network(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("ours")
    async with connected("stdio", tmp_path) as peer:
        said = await peer.call("reach", path=str(secret))
        assert "PermissionError, PermissionError, PermissionError" in said
        assert "not set" in await peer.call("look", name="PYTEST_CURRENT_TEST")
    assert secret.read_text() == "ours"
