"""`websocket`: connections that the gateway holds; what comes is brought to the service in order.

A connection is not kept over a restart of the gateway or of the plugin: whoever opened it would
not know where it stood. The service opens it again when it starts.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import httpx2
import msgspec

from carapace.clock import Clock
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller
from carapace.net.refused import refusal_of
from carapace.net.websocket import (
    HandshakeFailed,
    WebSocketClient,
    WebSocketClosed,
    WebSocketLimits,
)
from carapace.plugins.capabilities.bringing import Brought, bring, pause_s
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.outbound.placement import PlacedRequest, place
from carapace.plugins.capabilities.outbound.proxies import AccountProxies
from carapace.plugins.capabilities.outbound.redaction import SecretScrubber
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.outbound.wire import (
    Base64,
    Empty,
    FormPlace,
    Header,
    JsonPlace,
    SecretUse,
    Text,
)
from carapace.plugins.capabilities.ports import ServiceEvents
from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["MAX_CONNECTIONS", "WebSocketCapability"]

_log = get_logger(__name__)

MAX_CONNECTIONS: Final = 16
_MAX_TRIES: Final = 6
"""How often a frame is brought to a plugin that is too busy; about a minute."""
_MAX_REASON_CHARS: Final = 200
_LIMITS: Final = WebSocketLimits(close_timeout_s=1.0)
"""A plugin that is upgraded must not wait long for a peer that does not say goodbye."""

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Url = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
_Headers = Annotated[tuple[Header, ...], msgspec.Meta(max_length=64)]
_Secrets = Annotated[tuple[SecretUse, ...], msgspec.Meta(max_length=16)]


@dataclass(slots=True)
class _Connection:
    """One name; `client` is None until it is open."""

    name: str
    client: WebSocketClient | None = None
    is_bringing: bool = False
    is_dropped: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class WebSocketCapability:
    """Holds a plugin's connections.

    Args:
        rules: Where they may lead.
        secrets: What may be put into the handshake.
        proxies: Of the plugin's accounts.
        egress: The way out.
        clock: For pauses while the plugin is too busy.
        events: The service.
    """

    def __init__(
        self,
        rules: OutboundRules,
        secrets: PluginSecrets,
        egress: Egress,
        *,
        proxies: AccountProxies,
        clock: Clock,
        events: ServiceEvents,
    ) -> None:
        self._rules = rules
        self._secrets = secrets
        self._egress = egress
        self._proxies = proxies
        self._clock = clock
        self._events = events
        self._tasks = Tasks(f"websockets of plugin {rules.plugin_id}", _report)
        self._connections: dict[str, _Connection] = {}
        self.call = Dispatch(
            "websocket",
            {
                "open": Operation(tuple[_Name, _Url, _Headers, _Secrets], self._open),
                "send": Operation(tuple[_Name, Text | Base64], self._send),
                "close": Operation(tuple[_Name], self._close),
            },
        )

    async def aclose(self) -> None:
        """Close all of them."""
        await self._tasks.close()
        self._connections.clear()

    async def _open(
        self,
        name: str,
        url: str,
        headers: tuple[Header, ...],
        secrets: tuple[SecretUse, ...],
    ) -> None:
        """Begin to connect; the plugin hears `opened` or `closed`. Replaces one of that name."""
        if any(isinstance(use.place, FormPlace | JsonPlace) for use in secrets):
            raise guest_error(
                Code.INVALID_ARGUMENT, "a handshake has no body: use header, path or query"
            )
        placed = place(
            "GET", url, headers, body=Empty(), secrets=secrets, reveal=self._secrets.reveal
        )
        self._rules.check("GET", placed.url, has_secrets=placed.has_secrets)
        caller = self._rules.caller(
            max_bytes=64 * 1024,
            max_redirects=0,
            total_s=None,
            proxy=self._proxies.of(one.name for one in secrets),
        )
        if name not in self._connections and len(self._connections) >= MAX_CONNECTIONS:
            raise guest_error(
                Code.QUOTA, f"{MAX_CONNECTIONS} connections are open already: close one first"
            )
        self._drop(name)
        connection = self._connections[name] = _Connection(name)
        connection.task = self._tasks.start(self._run(connection, placed, caller), name=name)

    async def _send(self, name: str, frame: Text | Base64) -> None:
        connection = self._connections.get(name)
        if connection is None or connection.client is None:
            raise guest_error(Code.CLOSED, f"the connection {name!r} is not open")
        try:
            await connection.client.send(_message(frame))
        except WebSocketClosed as closed:
            raise guest_error(
                Code.CLOSED, f"the connection {name!r} has ended ({closed.code})"
            ) from None

    async def _close(self, name: str) -> bool:
        return self._drop(name)

    def _drop(self, name: str) -> bool:
        """Let go of a connection without a word to the plugin, which asked for it."""
        connection = self._connections.pop(name, None)
        if connection is not None:
            connection.is_dropped = True
            # While it waits for the plugin, the plugin's own call may be the one that drops it.
            if connection.task is not None and not connection.is_bringing:
                connection.task.cancel()
        return connection is not None

    async def _run(
        self, connection: _Connection, placed: PlacedRequest, caller: EgressCaller
    ) -> None:
        try:
            reason = await self._hold(connection, placed, caller)
        finally:
            is_current = self._connections.get(connection.name) is connection
            if is_current:
                del self._connections[connection.name]
        if is_current:
            await self._bring(connection, {"tag": "closed", "value": reason})

    async def _hold(
        self, connection: _Connection, placed: PlacedRequest, caller: EgressCaller
    ) -> str:
        """From the handshake to the end; why it ended."""
        scrubber = self._secrets.scrubber()
        try:
            client = await self._egress.websocket(
                caller,
                placed.url,
                headers=dict(placed.headers),
                limits=_LIMITS,
            )
        except HandshakeFailed as failed:
            return f"the peer opened no WebSocket, it answered {failed.status}"
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            refusal = refusal_of(error)
            return "the peer could not be reached" if refusal is None else refusal.reason
        async with client:
            connection.client = client
            try:
                return await self._frames(connection, client, scrubber)
            finally:
                connection.client = None

    async def _frames(
        self, connection: _Connection, client: WebSocketClient, scrubber: SecretScrubber
    ) -> str:
        taken = await self._bring(connection, {"tag": "opened", "value": None})
        while taken and not connection.is_dropped:
            try:
                message = await client.receive()
            except WebSocketClosed as closed:
                said = scrubber.text(closed.reason)[:_MAX_REASON_CHARS]
                return f"{closed.code} {said}".strip()
            taken = await self._bring(connection, _event(message, scrubber))
        return "the plugin did not take what came"

    async def _bring(self, connection: _Connection, event: Mapping[str, Any]) -> bool:
        """Whether the plugin took it; one that is too busy is asked again for about a minute."""
        for attempt in range(1, _MAX_TRIES + 1):
            connection.is_bringing = True
            try:
                outcome = await bring(
                    self._events.on_websocket(connection.name, event),
                    plugin_id=self._rules.plugin_id,
                    what=f"websocket {connection.name}",
                )
            finally:
                connection.is_bringing = False
            if connection.is_dropped or outcome is not Brought.ABSENT:
                return outcome is Brought.TAKEN
            await self._clock.sleep(pause_s(attempt))
        return False


def _message(frame: Text | Base64) -> str | bytes:
    if isinstance(frame, Text):
        return frame.value
    try:
        return base64.b64decode(frame.value, validate=True)
    except (binascii.Error, ValueError):
        raise guest_error(
            Code.INVALID_ARGUMENT, "the frame is not valid base64 (RFC 4648 section 4)"
        ) from None


def _event(message: str | bytes, scrubber: SecretScrubber) -> dict[str, Any]:
    if isinstance(message, str):
        frame = {"tag": "text", "value": scrubber.text(message)}
    else:
        frame = {"tag": "base64", "value": base64.b64encode(scrubber.data(message)).decode()}
    return {"tag": "frame", "value": frame}


def _report(task: str, error: BaseException) -> None:
    _log.error("a connection of a plugin broke", task=task, exc_info=error)
