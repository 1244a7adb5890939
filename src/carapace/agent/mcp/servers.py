"""`McpServers`: all configured servers, and their tools as rows of the registry.

A tool is of the riskiest kind unless the operator says otherwise, and only words that come
straight from the owner use it. Where a server describes a tool otherwise than before, every use
of it is asked about again, until a person allows one.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from carapace.agent.approval import Risk
from carapace.agent.mcp.connection import McpConnection, OpenStreams
from carapace.agent.mcp.definitions import Definition, Listing
from carapace.agent.mcp.names import server_label
from carapace.agent.mcp.pins import Pins
from carapace.agent.mcp.program import Place
from carapace.agent.mcp.transport import Lost, http_streams, program_streams
from carapace.agent.providers.ports import ToolSpec
from carapace.agent.tools.registry import OWNERS, ToolContext, ToolRow, ToolTrouble
from carapace.agent.tools.runner import ToolRunner
from carapace.clock import Clock
from carapace.config.settings.mcp import McpServer, McpSettings
from carapace.errors import GatewayError
from carapace.net.client import Egress
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.telemetry.redact import Redactor

__all__ = ["McpServers"]

_MISSING: Final = (
    "the library for it is not installed. Run: pip install 'carapace-gateway[mcp]', then restart "
    "the gateway"
)
_MIN_SECRET_CHARS: Final = 8
_log = get_logger(__name__)


class _Live:
    """One server that is used: its connection, and the tools it has now."""

    def __init__(self, settings: McpServer) -> None:
        self.settings = settings
        self.connection: McpConnection | None = None
        self.task: asyncio.Task[Any] | None = None
        self.trouble: str | None = "it is being connected"
        self.tools: dict[str, Definition] = {}
        self.changed: frozenset[str] = frozenset()

    def why(self) -> str | None:
        """Why it cannot be used now; None if it can."""
        return self.connection.trouble if self.connection is not None else self.trouble


class McpServers:
    """The servers.

    Args:
        tools: The registry.
        pins: Which definitions are known.
        egress: The way to addresses.
        folder: Where programs get a folder each.
        environ: Our environment, of which programs get next to nothing.
        clock: For pauses.
        redactor: Keeps the values of headers and variables out of the log and of what is told.
        library: The protocol's library; tests name another one.
    """

    def __init__(
        self,
        tools: ToolRunner,
        *,
        pins: Pins,
        egress: Egress,
        folder: Path,
        environ: Mapping[str, str],
        clock: Clock,
        redactor: Redactor,
        library: str = "mcp",
    ) -> None:
        self._tools = tools
        self._pins = pins
        self._egress = egress
        self._folder = folder
        self._environ = environ
        self._clock = clock
        self._redactor = redactor
        self._library = library
        self._live: dict[str, _Live] = {}
        self._tasks = Tasks("mcp", _report)
        self._is_closed = False

    def apply(self, settings: McpSettings) -> None:
        """Go by these settings: what is new or changed is connected, what is gone is let go."""
        if self._is_closed:
            return
        wanted = {name: one for name, one in settings.servers.items() if one.enabled}
        for name, live in list(self._live.items()):
            if wanted.get(name) != live.settings:
                self._drop(name, live)
        for name, one in wanted.items():
            if name not in self._live:
                live = self._live[name] = _Live(one)
                live.task = self._tasks.start(self._run(name, live), name=name)

    def trouble(self) -> str | None:
        """Which servers cannot be used now, and why; a readiness check."""
        found = [f"{name}: {why}" for name, live in self._live.items() if (why := live.why())]
        return self._redactor.text("; ".join(found)) or None

    async def aclose(self) -> None:
        """Let all go; their programs are ended."""
        self._is_closed = True
        await self._tasks.close()

    def _drop(self, name: str, live: _Live) -> None:
        del self._live[name]
        self._tools.remove(*live.tools)
        live.tools = {}
        if live.task is not None:
            live.task.cancel()

    async def _run(self, name: str, live: _Live) -> None:
        settings = live.settings
        if (settings.command is None) is (settings.url is None):
            live.trouble = f"set either command or url in mcp.servers.{name}"
            return
        for secret in (*settings.headers.values(), *settings.env.values()):
            if len(secret) >= _MIN_SECRET_CHARS:  # shorter ones are words that logs need
                self._redactor.add_secret(secret)
        try:
            await asyncio.to_thread(importlib.import_module, self._library)
        except ImportError:
            live.trouble = _MISSING
            _log.error("an MCP server is not used", server=name, why=_MISSING)
            return
        live.connection = McpConnection(
            name,
            settings,
            self._streams(name, settings),
            on_tools=partial(self._take, name, live),
            clock=self._clock,
        )
        await live.connection.run()

    def _streams(self, name: str, settings: McpServer) -> OpenStreams:
        place = Place(self._folder / server_label(name), self._environ)

        def tell(line: str) -> None:
            _log.info("an MCP server wrote", server=name, line=line)

        def streams(lost: Lost) -> Any:
            if settings.url is not None:
                return http_streams(name, settings, self._egress)
            return program_streams(settings, place, tell, lost)

        return streams

    async def _take(self, name: str, live: _Live, listing: Listing) -> None:
        """Offer what the server lists now, in place of what it listed before."""
        live.changed = await self._pins.changed(name, listing.tools)
        self._offer(name, live, listing.tools)

    def _offer(self, name: str, live: _Live, tools: tuple[Definition, ...]) -> None:
        if self._live.get(name) is not live:
            return  # the settings changed meanwhile
        self._tools.remove(*live.tools)
        live.tools = {}
        for one in tools:
            try:
                self._tools.add(self._row(name, live, one))
            except GatewayError as error:
                _log.warning("a tool of an MCP server is not offered", server=name, why=str(error))
            else:
                live.tools[one.name] = one

    def _row(self, name: str, live: _Live, one: Definition) -> ToolRow:
        settings = live.settings
        is_changed = one.said_name in live.changed
        description = f"A tool of the MCP server {name!r}, which says of it: {one.description}"
        risk = Risk.READ if one.said_name in settings.read_only else Risk(settings.risk)
        note = (
            "The server describes this tool otherwise than before. It says now: " + one.description
        )
        return ToolRow(
            name=one.name,
            description=description,
            params=dict[str, Any],
            risk=Risk.DANGEROUS if is_changed else risk,
            handler=partial(self._invoke, name, live, one),
            is_core=False,
            timeout_s=settings.timeout_ms / 1_000,
            spec=ToolSpec(name=one.name, description=description, parameters=one.schema),
            sources=OWNERS,
            definition=one.digest,
            note=note if is_changed else "",
        )

    async def _invoke(
        self,
        name: str,
        live: _Live,
        one: Definition,
        ctx: ToolContext,
        arguments: dict[str, Any],
    ) -> str:
        connection, now = live.connection, live.tools.get(one.name)
        if connection is None or now is None or self._live.get(name) is not live:
            raise ToolTrouble(f"The MCP server {name} does not offer this tool any more.")
        if now.digest != one.digest:
            raise ToolTrouble(
                "The server changed what it says about this tool meanwhile. Nothing was done. "
                "Call it again."
            )
        if one.said_name in live.changed and ctx.approved:
            await self._pins.accept(name, one)
            live.changed -= {one.said_name}
            self._offer(name, live, tuple(live.tools.values()))
        return await connection.call(one.said_name, arguments, shown=one.name)


def _report(task: str, error: BaseException) -> None:
    _log.error("keeping an MCP server failed", task=task, exc_info=error)
