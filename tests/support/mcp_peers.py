"""Real servers of the Model Context Protocol beside a test: see `mcp_program.py`."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

__all__ = ["PROGRAM", "READABLE", "HttpPeer", "http_peer", "stdio_entry"]

PROGRAM = Path(__file__).with_name("mcp_program.py")
READABLE = (sys.prefix, sys.base_prefix, str(PROGRAM))
"""What a fenced Python needs for it."""


class HttpPeer:
    """A server on loopback that was seen to listen.

    Attributes:
        url: Its address.
        process: The child.
    """

    def __init__(self, url: str, process: Process) -> None:
        self.url = url
        self.process = process


@asynccontextmanager
async def http_peer() -> AsyncGenerator[HttpPeer]:
    """One that ends with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), "http", stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield HttpPeer(f"http://127.0.0.1:{port}/mcp", process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def stdio_entry(**more: Any) -> dict[str, Any]:
    """The entry of the configuration for such a program."""
    return {
        "command": sys.executable,
        "args": [str(PROGRAM), "stdio"],
        "readPaths": list(READABLE),
        **more,
    }
