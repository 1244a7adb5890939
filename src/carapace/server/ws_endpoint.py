"""Where a WebSocket begins: who may open one, and how many.

Everything here is judged before the upgrade, from headers and counts alone: a refusal costs a
short HTTP answer and no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import hdrs, web

from carapace.auth.origin import describe, refusal
from carapace.auth.types import Origin
from carapace.config.settings.gateway import GatewaySettings
from carapace.errors import Refused
from carapace.server.client import Client, Lobby
from carapace.server.http_errors import error_response
from carapace.server.rate_limit import RateLimit, address_key
from carapace.server.turns import Turns
from carapace.server.upgrade import Detached, check_upgrade, take_over
from carapace.server.ws_transport import WsTransport
from carapace.telemetry.audit import Audit, AuditKind

__all__ = ["OriginGuard", "WsEndpoint"]

_RETRY_FULL_S: Final = 5.0
_AUDIT_PER_S: Final = 1 / 60
_AUDIT_BURST: Final = 5


class OriginGuard:
    """Checks Host and Origin of every request, WebSocket or not.

    Args:
        settings: Gives `gateway` as it is now.
        own_names: Names of this machine, lower case.
        audit: Told of refusals, but not flooded with them.
        monotonic: Seconds that only grow.
    """

    def __init__(
        self,
        settings: Callable[[], GatewaySettings],
        *,
        own_names: Sequence[str],
        audit: Audit,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._own_names = own_names
        self._audit = audit
        self._monotonic = monotonic
        self._audit_limit = RateLimit(per_s=_AUDIT_PER_S, burst=_AUDIT_BURST)

    def origin(self, request: web.BaseRequest) -> Origin:
        """Where `request` comes from, as far as that can be believed."""
        return describe(
            request.remote or "", request.headers, self._settings(), is_tls=request.secure
        )

    def refusal(self, request: web.BaseRequest, origin: Origin) -> str | None:
        """Why `request` must not be served, or None."""
        reason = refusal(origin, self._settings(), own_names=self._own_names)
        if reason is None and _is_cross_site_write(request, origin, self._settings()):
            reason = "a page of another site may not change anything here"
        if reason is not None:
            self.record(AuditKind.ORIGIN_REFUSED, origin, reason=reason)
        return reason

    def record(self, kind: AuditKind, origin: Origin, **fields: str) -> None:
        """Put a refusal on record; an address that repeats itself is recorded sparingly."""
        key = f"{kind}|{address_key(origin.client_ip)}"
        if self._audit_limit.take(key, self._monotonic()) == 0.0:
            self._audit.record(kind, address=origin.client_ip, **fields)


class WsEndpoint:
    """Opens WebSockets.

    Args:
        lobby: What every client needs.
        guard: Host and Origin.
        rate: Connects of one address.
        max_message_bytes: Longest message a client may send.
    """

    def __init__(
        self, lobby: Lobby, *, guard: OriginGuard, rate: RateLimit, max_message_bytes: int
    ) -> None:
        self._lobby = lobby
        self._guard = guard
        self._rate = rate
        self._max_message_bytes = max_message_bytes
        self._turns = Turns()

    async def open(self, request: web.Request, origin: Origin) -> web.StreamResponse:
        """Turn `request` into a client, or say why not."""
        try:
            accept = check_upgrade(request)
        except Refused as error:
            response = error_response(400, error.message)
            response.headers[hdrs.SEC_WEBSOCKET_VERSION] = "13"
            return response
        key = address_key(origin.client_ip)
        if (full := self._is_full(key, origin)) is not None:
            return full
        taken = take_over(request, accept)
        if taken is None:
            self._lobby.caps.known(key)
            self._lobby.caps.leave()
            return Detached()
        transport, early = taken
        wire = WsTransport(transport, self._max_message_bytes, self._turns)
        Client(self._lobby, wire, origin, address_key=key).open(early)
        return Detached()

    def _is_full(self, key: str, origin: Origin) -> web.Response | None:
        wait_s = self._rate.take(key, self._lobby.clock.monotonic())
        cap = "rate" if wait_s else self._lobby.caps.enter(key)
        if cap is None:
            return None
        self._lobby.metrics.handshake_failures.labels(f"cap-{cap}").inc()
        self._guard.record(AuditKind.CONNECTIONS_CAPPED, origin, cap=cap)
        if cap in ("rate", "address"):
            text = "too many connections from this address: wait a moment, then try again"
            return error_response(429, text, retry_after_s=wait_s or _RETRY_FULL_S)
        text = "the gateway has all the connections it can take: try again in a moment"
        return error_response(503, text, retry_after_s=_RETRY_FULL_S)


def _is_cross_site_write(
    request: web.BaseRequest, origin: Origin, settings: GatewaySettings
) -> bool:
    if request.method in (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS):
        return False
    if request.headers.get("Sec-Fetch-Site") != "cross-site":
        return False
    return origin.origin not in settings.allowed_origins
