"""The listening server: the HTTP application, its limits, and its beginning and end.

One port serves HTTP and WebSocket. Every request passes the guard first; an upgrade is taken
on any path, everything else has a route or is told that it has none.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from aiohttp import http_parser, web

from carapace.auth.presence import Presence
from carapace.auth.types import Caller, Origin
from carapace.clock import Clock
from carapace.config.settings.gateway import GatewaySettings, LimitSettings
from carapace.errors import Failed
from carapace.protocol.connect import Policy
from carapace.protocol.events import Event
from carapace.protocol.registry import Methods
from carapace.server.bind import BACKLOG
from carapace.server.client import Lobby
from carapace.server.dispatch import ActiveCall, Dispatcher
from carapace.server.headers import harden
from carapace.server.hello import HelloBuilder
from carapace.server.http_errors import Handler, error_response, translate
from carapace.server.hub import Hub
from carapace.server.lifecycle import Announcer
from carapace.server.ports import Admitter, NodeWatch, SnapshotSource
from carapace.server.rate_limit import ConnectionCaps, RateLimit
from carapace.server.upgrade import wants_upgrade
from carapace.server.ws_endpoint import OriginGuard, WsEndpoint
from carapace.tasks import Tasks
from carapace.telemetry.audit import Audit
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["Catch", "GatewayServer", "Routes", "ServerParts", "refuse_slow_parser"]

_log = get_logger(__name__)
_CONNECTS_PER_S: Final = 200.0
_CONNECT_BURST: Final = 2_000
_MAX_LINE: Final = 8_190
_MAX_HEADERS: Final = 100
_LINGER_S: Final = 2.0
_GOODBYE_S: Final = 2.5
_POLL_S: Final = 0.02


class Routes(Protocol):
    """A set of HTTP endpoints."""

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        ...


class Catch(Protocol):
    """Answers at paths that come and go while the server runs (webhooks)."""

    def owns(self, request: web.BaseRequest) -> bool:
        """Whether `request` is for it."""
        ...

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer it."""
        ...


def _no_canvas(caller: Caller, origin: Origin) -> str | None:
    del caller, origin
    return None


class ServerParts(Value, frozen=True, kw_only=True):
    """What the server is made of.

    Attributes:
        methods: The registry.
        make_context: Makes a handler's context of a call.
        admitter: Decides who comes in.
        source: The state that hello-ok shows.
        presence: The table of who is connected.
        nodes: Told of every client, for those that can be asked.
        origin_settings: Gives `gateway` as it is now.
        limits: Caps per client and in all.
        tick_interval_s: Seconds between two ticks.
        own_names: Names of this machine, lower case.
        version: The gateway's.
        host: This machine's name, as hello-ok shows it.
        clock: The time.
        metrics: The counters.
        audit: The trail.
        missed: Gives what a client that was away has to hear when it is back.
        canvas_url: Where a client finds the canvas; None if there is none.
    """

    methods: Methods
    make_context: Callable[[ActiveCall], Any]
    admitter: Admitter
    source: SnapshotSource
    presence: Presence
    nodes: NodeWatch
    origin_settings: Callable[[], GatewaySettings]
    limits: LimitSettings
    tick_interval_s: int
    own_names: Sequence[str]
    version: str
    host: str
    clock: Clock
    metrics: Metrics
    audit: Audit
    missed: Callable[[], Iterable[Event]] = tuple
    canvas_url: Callable[[Caller, Origin], str | None] = _no_canvas


class GatewayServer:
    """HTTP and WebSocket on one port.

    Attributes:
        hub: Publishes events; pass `hub.publish` to the rooms that have news.
        announcer: Says what is due by the clock.
        guard: Knows where requests come from.
    """

    def __init__(self, parts: ServerParts) -> None:
        self._parts = parts
        self._tasks = Tasks("server", _report)
        self.hub = Hub(metrics=parts.metrics, audit=parts.audit, followers=parts.nodes.followers)
        self.announcer = Announcer(
            self.hub,
            source=parts.source,
            presence=parts.presence,
            clock=parts.clock,
            tasks=self._tasks,
            tick_interval_s=parts.tick_interval_s,
            missed=parts.missed,
        )
        self.guard = OriginGuard(
            parts.origin_settings,
            own_names=parts.own_names,
            audit=parts.audit,
            monotonic=parts.clock.monotonic,
        )
        self._dispatcher = Dispatcher(
            parts.methods, parts.make_context, clock=parts.clock, metrics=parts.metrics
        )
        self.caps = ConnectionCaps(
            total=parts.limits.max_connections,
            strangers=parts.limits.max_unauthenticated,
            strangers_per_address=parts.limits.max_unauthenticated_per_address,
        )
        self._sockets = WsEndpoint(
            self._lobby(),
            guard=self.guard,
            rate=RateLimit(per_s=_CONNECTS_PER_S, burst=_CONNECT_BURST),
            max_message_bytes=parts.limits.max_payload_bytes,
        )
        self._app = web.Application(middlewares=[self._first], logger=_quiet())
        self._app.on_response_prepare.append(harden)
        self._catch: Catch | None = None
        self._last: Catch | None = None
        self._runner: web.AppRunner | None = None
        self._sites: list[web.SockSite] = []

    def add(self, routes: Routes) -> None:
        """Serve more HTTP endpoints; before `start`."""
        routes.add_to(self._app.router)

    def routes(self) -> list[tuple[str, str]]:
        """Verb and path of every route there is."""
        return [
            (route.method, route.resource.canonical)
            for route in self._app.router.routes()
            if route.resource is not None
        ]

    def catch(self, catch: Catch) -> None:
        """Ask `catch` about every request before the routes; routes cannot be added later."""
        self._catch = catch

    def fall_back(self, last: Catch) -> None:
        """Ask `last` about requests that no route is for."""
        self._last = last

    async def start(
        self, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen on `sockets`, from `carapace.server.bind.listen`.

        Raises:
            Failed: If the safe HTTP parser is missing.
        """
        refuse_slow_parser()
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            handle_signals=False,
            # Also the deadline of a request's head, and of a socket that says nothing.
            keepalive_timeout=float(self._parts.limits.handshake_timeout_s),
            lingering_time=_LINGER_S,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
            max_headers=_MAX_HEADERS,
            auto_decompress=False,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        self._sites = [
            web.SockSite(self._runner, opened, ssl_context=tls, backlog=BACKLOG)
            for opened in sockets
        ]
        for site in self._sites:
            await site.start()
        self.announcer.start()

    async def close_door(
        self, *, reason: str = "stopping", restart_expected_ms: int | None = None
    ) -> None:
        """Listen no more and tell the clients; those inside are still served.

        Args:
            reason: Told to the clients.
            restart_expected_ms: When the gateway will be back, if it will.
        """
        for site in self._sites:
            await site.stop()
        self._sites = []
        self.announcer.shutdown(reason, restart_expected_ms)

    async def stop(
        self, deadline_s: float, *, reason: str = "stopping", restart_expected_ms: int | None = None
    ) -> bool:
        """Let requests end, say goodbye, let go; closes the door first if it is open.

        Args:
            deadline_s: For running requests.
            reason: As `close_door`.
            restart_expected_ms: As `close_door`.

        Returns:
            Whether every request ended by itself.
        """
        if self._sites:
            await self.close_door(reason=reason, restart_expected_ms=restart_expected_ms)
        drained = await self._dispatcher.drain(deadline_s)
        self.announcer.goodbye()
        await self._until_gone(_GOODBYE_S)
        await self._dispatcher.close()
        await self._tasks.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        return drained

    async def _until_gone(self, deadline_s: float) -> None:
        """Wait until every client has taken its goodbye, or its socket was cut."""
        end = self._parts.clock.monotonic() + deadline_s
        while len(self.hub) and self._parts.clock.monotonic() < end:
            await self._parts.clock.sleep(_POLL_S)

    def _lobby(self) -> Lobby:
        parts = self._parts
        return Lobby(
            admitter=parts.admitter,
            dispatcher=self._dispatcher,
            hub=self.hub,
            hello=HelloBuilder(
                parts.methods,
                policy=Policy(
                    max_payload=parts.limits.max_payload_bytes,
                    max_buffered_bytes=parts.limits.max_buffered_bytes,
                    tick_interval_ms=parts.tick_interval_s * 1000,
                ),
                source=parts.source,
                version=parts.version,
                host=parts.host,
                clock=parts.clock,
                canvas_url=parts.canvas_url,
            ),
            caps=self.caps,
            clock=parts.clock,
            metrics=parts.metrics,
            tasks=self._tasks,
            max_in_flight=parts.limits.max_in_flight,
            max_buffered_bytes=parts.limits.max_buffered_bytes,
            handshake_timeout_s=parts.limits.handshake_timeout_s,
            joined=self._joined,
            welcome=self._welcome,
            closing=parts.nodes.disconnected,
            left=self._left,
        )

    def _joined(self, caller: Caller, origin: Origin) -> None:
        self.announcer.joined(caller, origin)
        self._parts.nodes.connected(caller, origin)

    def _welcome(self, caller: Caller) -> None:
        self.announcer.welcome(caller)
        self._parts.nodes.welcome(caller)

    def _left(self, caller: Caller) -> None:
        self._parts.nodes.disconnected(caller)
        self.announcer.left(caller)

    @web.middleware
    async def _first(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Before every route: Host and Origin, then the upgrade, then the route."""
        origin = self.guard.origin(request)
        reason = self.guard.refusal(request, origin)
        if reason is not None:
            return error_response(403, reason)
        if wants_upgrade(request):
            return await self._sockets.open(request, origin)
        if self._catch is not None and self._catch.owns(request):
            return await translate(request, self._catch.handle)
        is_lost = isinstance(request.match_info.http_exception, web.HTTPNotFound)
        if is_lost and self._last is not None and self._last.owns(request):
            return await translate(request, self._last.handle)
        return await translate(request, handler)


def refuse_slow_parser() -> None:
    """Make sure that requests are read by the compiled parser.

    Raises:
        Failed: If only the Python one is there: it is slow, and stricter readers in front of
            it may see other requests than it does.
    """
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise Failed(
            "the compiled HTTP parser of aiohttp is missing: install aiohttp from a wheel, and do "
            "not set AIOHTTP_NO_EXTENSIONS"
        )


def _quiet() -> logging.Logger:
    """Strangers' broken requests are answered, not written to our log."""
    logger = logging.getLogger("aiohttp.server")
    logger.setLevel(logging.CRITICAL)
    return logger


def _report(name: str, error: BaseException) -> None:
    _log.error("server task died", task=name, exc_info=error)
