"""`McpConnection`: one configured server: connected, asked for its tools, called, and lost again.

Everything that comes from it is a stranger's: it may lie, be slow, or change its mind. A
connection that is lost is opened again after a pause that grows; a program that keeps ending is
left alone after a few times.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, cast

import httpx2

from carapace import __version__
from carapace.agent.mcp.definitions import Listing, read_listing
from carapace.agent.mcp.results import outside, result_text
from carapace.agent.mcp.transport import Lost
from carapace.agent.tools.registry import ToolTrouble
from carapace.agent.understanding.fence import cleaned
from carapace.clock import Clock
from carapace.config.settings.mcp import McpServer
from carapace.errors import GatewayError
from carapace.telemetry.log import get_logger

if TYPE_CHECKING:
    from mcp import Client

__all__ = ["MAX_STARTS", "McpConnection", "OnTools", "OpenStreams"]

MAX_STARTS: Final = 6
"""How often in a row a program may end soon before it is left alone."""

_STEADY_S: Final = 60.0
_FIRST_PAUSE_S: Final = 1.0
_MAX_PAUSE_S: Final = 300.0
_CONNECT_TIMEOUT_S: Final = 60.0
_REQUEST_TIMEOUT_S: Final = 30.0
_LIST_PAUSE_S: Final = 1.0
_MAX_PAGES: Final = 20
_MAX_SAID_TOOLS: Final = 2_000
_MAX_CALLS: Final = 8
_MAX_REASON_CHARS: Final = 300
_SESSION_OVER: Final = "Session terminated"  # what the library says when a server forgot us
_log = get_logger(__name__)

OpenStreams = Callable[[Lost], AbstractAsyncContextManager[Any]]
"""Opens the way to the server; told whom to tell when it is lost."""

OnTools = Callable[[Listing], Awaitable[None]]
"""Takes what the server lists now."""


class McpConnection:
    """One server.

    Args:
        name: In the configuration.
        settings: Its entry.
        streams: See `OpenStreams`.
        on_tools: See `OnTools`.
        clock: For pauses.
    """

    def __init__(
        self,
        name: str,
        settings: McpServer,
        streams: OpenStreams,
        *,
        on_tools: OnTools,
        clock: Clock,
    ) -> None:
        self.name = name
        self.settings = settings
        self.trouble: str | None = "it is being connected"
        """Why it cannot be used now; None if it can."""
        self._streams = streams
        self._on_tools = on_tools
        self._clock = clock
        self._client: Client | None = None
        self._lost: str | None = None
        self._has_news = False
        self._wake = asyncio.Event()
        self._calls = asyncio.Semaphore(_MAX_CALLS)

    async def run(self) -> None:
        """Keep it connected, until it is given up."""
        failures = 0
        while True:
            began_s = self._clock.monotonic()
            why = await self._once()
            if _is_wanted():  # an error that came at the same time may have hidden it
                raise asyncio.CancelledError
            is_steady = self._clock.monotonic() - began_s >= _STEADY_S
            failures = 1 if is_steady else failures + 1
            _log.warning("an MCP server was lost", server=self.name, why=why)
            if self.settings.command is not None and failures >= MAX_STARTS:
                self.trouble = (
                    f"{why}. It was started {failures} times in vain and is left alone now: mend "
                    f"mcp.servers.{self.name}, or restart the gateway"
                )
                return
            self.trouble = why
            await self._clock.sleep(min(_FIRST_PAUSE_S * 2 ** (failures - 1), _MAX_PAUSE_S))

    async def call(self, tool: str, arguments: dict[str, Any], *, shown: str) -> str:
        """Use a tool; what it answers, between marks of a stranger's words.

        Args:
            tool: As the server calls it.
            arguments: As the model gave them.
            shown: The tool as the model calls it.

        Raises:
            ToolTrouble: If it could not do it.
        """
        async with self._calls:
            client = self._client
            if client is None:
                why = self.trouble or "it is not connected"
                raise ToolTrouble(f"The MCP server {self.name} cannot be used now: {why}.")
            answer = await self._asked(client, tool, arguments, shown)
        text = result_text(answer.content, answer.structured_content)
        if answer.is_error:
            said = outside(shown, text) if text else "It does not say why."
            raise ToolTrouble(f"The tool failed.\n\n{said}")
        return outside(shown, text) if text else "It was done; the tool said nothing."

    async def _asked(self, client: Client, tool: str, arguments: dict[str, Any], shown: str) -> Any:
        import mcp_types as types  # noqa: PLC0415 - not before a server is configured
        from mcp import MCPError  # noqa: PLC0415 - likewise

        params = types.CallToolRequestParams(name=tool, arguments=arguments)
        try:
            # Not `call_tool`: it would check the answer against a schema of the server's making,
            # whose patterns could keep this thread for ever.
            return await client.session.send_request(
                types.CallToolRequest(params=params),
                types.CallToolResult,
                request_read_timeout_seconds=self.settings.timeout_ms / 1_000 + _LIST_PAUSE_S,
            )
        except MCPError as error:
            if error.code == types.CONNECTION_CLOSED or str(error) == _SESSION_OVER:
                self._lose(self._lost or "its connection was closed")
                raise ToolTrouble(
                    f"The MCP server {self.name} was lost while it worked. What it was asked may "
                    "have been done in part: tell the user, and do not simply call it again."
                ) from error
            said = outside(shown, str(error))
            raise ToolTrouble(f"The tool failed.\n\n{said}") from error
        except ValueError as error:  # of the library's models
            raise ToolTrouble(
                "The tool's answer is none that this gateway understands, or asks for more input, "
                "which it does not give."
            ) from error
        except (httpx2.HTTPError, OSError) as error:
            self._lose(_reason(error))
            raise ToolTrouble(f"The MCP server {self.name} cannot be reached.") from error

    async def _once(self) -> str:
        """Connect and stay connected; why that ended."""
        self._lost, self._has_news = None, False
        self._wake.clear()
        try:
            await self._connected()
        except asyncio.CancelledError:
            if _is_wanted():
                raise
            return self._lost or "its connection broke"
        except Exception as error:  # noqa: BLE001 - whatever a library makes of a stranger's words
            return self._lost or _reason(error)
        finally:
            self._client = None
        return self._lost or "its connection was closed"

    async def _connected(self) -> None:
        import mcp_types as types  # noqa: PLC0415 - not before a server is configured
        from mcp import Client  # noqa: PLC0415 - likewise

        client = Client(
            self._streams(self._lose),
            cache=None,
            read_timeout_seconds=_REQUEST_TIMEOUT_S,
            message_handler=self._hear,
            client_info=types.Implementation(name="carapace", version=__version__),
        )
        async with _entered(client), asyncio.TaskGroup() as group:
            await self._list(client)
            self._client, self.trouble = client, None
            _log.info("an MCP server is connected", server=self.name)
            listening = group.create_task(self._listen(client))
            await self._follow(client)
            listening.cancel()

    async def _follow(self, client: Client) -> None:
        """Ask again for its tools when it says that they changed, until it is lost."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._lost is not None:
                return
            if self._has_news:
                await self._clock.sleep(_LIST_PAUSE_S)  # many notices cost one list
                self._has_news = False
                await self._list(client)

    async def _list(self, client: Client) -> None:
        """All pages of its tools, within bounds."""
        import mcp_types as types  # noqa: PLC0415 - as above

        said: list[Any] = []
        cursor: str | None = None
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            for _ in range(_MAX_PAGES):
                page = await client.session.send_request(
                    types.ListToolsRequest(params=types.PaginatedRequestParams(cursor=cursor)),
                    types.ListToolsResult,
                )
                said.extend(page.tools)
                cursor = page.next_cursor
                if cursor is None or len(said) > _MAX_SAID_TOOLS:
                    break
        listing = read_listing(self.name, said[:_MAX_SAID_TOOLS], self.settings.tools)
        for reason in listing.refused:
            _log.warning("a tool of an MCP server is not offered", server=self.name, why=reason)
        await self._on_tools(listing)

    async def _listen(self, client: Client) -> None:
        """Servers of the newer protocol are asked for news of their tools."""
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS  # noqa: PLC0415 - as above

        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return
        if tools is None or not tools.list_changed:
            return
        try:
            async with client.listen(tools_list_changed=True) as news:
                async for _ in news:
                    self._tell_news()
        except Exception as error:  # noqa: BLE001 - as in `_once`
            self._lose(f"its news ended: {_reason(error)}")
        else:
            self._lose("its news ended")

    async def _hear(self, message: Any) -> None:
        """Servers of the older protocol say by themselves that their tools changed."""
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self._tell_news()

    def _tell_news(self) -> None:
        self._has_news = True
        self._wake.set()

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
        self._client = None
        self._wake.set()


@asynccontextmanager
async def _entered(client: Client) -> AsyncGenerator[None]:
    """The client, with a deadline for its greeting."""
    async with asyncio.timeout(_CONNECT_TIMEOUT_S) as deadline, client:
        deadline.reschedule(None)
        yield


def _is_wanted() -> bool:
    """Whether somebody asked this task to end; libraries cancel for reasons of their own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: BaseException) -> str:
    """Half a sentence of ours or, cut and cleaned, of the other side."""
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", inner)
        error = inner = group.exceptions[0]
    if isinstance(error, GatewayError):
        return error.message
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    text = cleaned(str(error), _MAX_REASON_CHARS) or type(error).__name__
    with suppress(ValueError):
        text = text[: text.index("\n")]
    return text
