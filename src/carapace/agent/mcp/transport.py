"""The two ways to a server, as the protocol's library takes them: streams of messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from carapace.agent.mcp.lines import MAX_LINE_BYTES
from carapace.agent.mcp.program import Place, Program, Tell, running
from carapace.config.settings.mcp import McpServer
from carapace.errors import Failed, Refused
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy, allow_url, names_own_network
from carapace.net.url import InvalidUrl, parse_url

__all__ = ["Lost", "http_policy", "http_streams", "program_streams"]

_MEBIBYTE: Final = 1024 * 1024
_SILENCE_S: Final = 900.0  # of a stream of news; each call has a deadline of its own

Lost = Callable[[str], None]
"""Told once why a connection is over."""


class _FromProgram:
    """The messages that a program writes; ends with the program."""

    def __init__(self, program: Program, lost: Lost) -> None:
        self._program = program
        self._lost = lost

    async def receive(self) -> Any:
        """The next message, or what kept a line from being one."""
        from mcp.shared.message import SessionMessage  # noqa: PLC0415 - not before it is needed
        from mcp_types import jsonrpc_message_adapter  # noqa: PLC0415 - likewise

        try:
            line = await self._program.lines.next()
        except Failed as error:
            self._program.kill()
            self._lost(error.message)
            raise StopAsyncIteration from None
        if line is None:
            self._lost(await self._program.end_text())
            raise StopAsyncIteration
        # Whoever writes without a pause would otherwise be all that we hear.
        await asyncio.sleep(0)
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValueError as error:
            return error

    async def aclose(self) -> None:
        """Nothing: who opened the program ends it."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self.receive()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _ToProgram:
    """The messages for a program."""

    def __init__(self, program: Program) -> None:
        self._program = program

    async def send(self, item: Any, /) -> None:
        """Write one; a program that hears no more is ended, which wakes whoever waits for it."""
        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        self._program.lines.asked()
        try:
            self._program.stdin.write(text.encode() + b"\n")
            await self._program.stdin.drain()
        except (OSError, RuntimeError):
            self._program.kill()

    async def aclose(self) -> None:
        """As for what is read."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@asynccontextmanager
async def program_streams(
    settings: McpServer, place: Place, tell: Tell, lost: Lost
) -> AsyncGenerator[Any]:
    """Messages from and to a program, which runs as long as this.

    Raises:
        Failed: If it cannot be started.
    """
    async with running(settings, place, tell) as program:
        yield _FromProgram(program, lost), _ToProgram(program)


def http_policy(url: str, *, allow_private: bool | None = None) -> EgressPolicy:
    """What the way to this address may reach: its own host.

    Args:
        url: The address.
        allow_private: Whether that may be private; None: only if the address itself says so.

    Raises:
        InvalidUrl: If the gateway would not open it.
    """
    only = frozenset({allow_url(url)})
    is_private = names_own_network(parse_url(url)) if allow_private is None else allow_private
    return EgressPolicy(
        allow_hosts=only if is_private else frozenset(),
        only_hosts=only,
        allow_http=is_private,
        max_wire_bytes=32 * _MEBIBYTE,
        max_decoded_bytes=32 * _MEBIBYTE,
        silence_timeout_s=_SILENCE_S,
        total_timeout_s=None,
    )


@asynccontextmanager
async def http_streams(name: str, settings: McpServer, egress: Egress) -> AsyncGenerator[Any]:
    """Messages from and to an address.

    Raises:
        Refused: If it is no address that the gateway would open.
    """
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - as above

    url = settings.url or ""
    try:
        policy = http_policy(url, allow_private=settings.allow_private)
    except InvalidUrl as error:
        raise Refused(f"its url cannot be used: {error}") from None
    async with egress.http_client(EgressCaller(f"mcp.{name}", policy)) as client:
        client.headers.update(settings.headers)
        # Without the farewell, which could keep a gateway from stopping.
        async with streamable_http_client(
            url,
            http_client=client,
            terminate_on_close=False,
            max_sse_event_size=MAX_LINE_BYTES,
        ) as streams:
            yield streams
