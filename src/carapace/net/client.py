"""`Egress`: the one object that hands out HTTP clients and WebSockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from functools import partial

import httpcore2
import httpx2
from msgspec.structs import replace

from carapace.config.settings.net import NetSettings
from carapace.errors import Refused
from carapace.net.address import refusal
from carapace.net.backend import GuardedBackend, Way, system_dialler
from carapace.net.http_client import GuardedClient
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.proxy import Proxy, proxy_of
from carapace.net.refused import EgressRefused
from carapace.net.resolve import Resolver, SystemResolver
from carapace.net.transport import GuardedTransport
from carapace.net.unix import unix_client
from carapace.net.url import InvalidUrl, literal
from carapace.net.websocket import WebSocketClient, WebSocketLimits, open_websocket
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger

__all__ = ["Egress"]

_KEEPALIVE_S = 60.0
_LOOKUP_TIMEOUT_S = 5.0
log = get_logger(__name__)


class Egress:
    """The gateway's way out.

    Proxies, certificates and credentials of the environment (`HTTP_PROXY`, `.netrc`) are
    ignored; `SSL_CERT_FILE` and `SSL_CERT_DIR` count, since OpenSSL itself reads them. A proxy
    is used where `net.proxy` names one, or the caller has its own.

    Args:
        audit: Gets a line for every refusal.
        settings: See `apply`.
        resolver: Names to addresses; the machine's own unless a test brings one.
        dialler: Opens sockets to literal addresses; likewise.
        ssl_context: Trust for https; built at first use if None.

    Raises:
        Refused: As `apply` does.
    """

    def __init__(
        self,
        audit: Audit,
        *,
        settings: NetSettings | None = None,
        resolver: Resolver | None = None,
        dialler: httpcore2.AsyncNetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._audit = audit
        self._ssl_context = ssl_context
        self._proxy: Proxy | None = None
        self._way = Way(
            resolver=resolver or SystemResolver(),
            dialler=dialler or system_dialler(),
            find_proxy=lambda: self._proxy,
            tls=self._tls,
        )
        self.apply(settings or NetSettings())

    def apply(self, settings: NetSettings) -> None:
        """Use these settings for every connection opened from now on.

        Raises:
            Refused: If the proxy's address is not readable; the settings before stay.
        """
        try:
            self._proxy = proxy_of(settings.proxy)
        except InvalidUrl as error:
            raise Refused(
                f"The proxy cannot be used: {error}. Correct it in the configuration."
            ) from error

    def http_client(self, caller: EgressCaller) -> httpx2.AsyncClient:
        """A client for one caller; keep it, it pools connections, and close it with `aclose`.

        Its requests raise `httpx2.ConnectError` when a rule refused them;
        `carapace.net.refused.refusal_of` finds the rule.
        """
        policy = caller.policy
        on_refused = partial(self._refused, caller.name)
        pool = httpcore2.AsyncConnectionPool(
            ssl_context=self._tls(),
            max_connections=policy.max_connections,
            max_keepalive_connections=policy.max_connections,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=GuardedBackend(policy, self._way_of(caller)),
        )
        return GuardedClient(
            GuardedTransport(policy, pool, on_refused),
            timeout=_timeouts(policy),
            on_refused=on_refused,
        )

    async def websocket(
        self,
        caller: EgressCaller,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        limits: WebSocketLimits | None = None,
    ) -> WebSocketClient:
        """An open WebSocket; close it, or use it with `async with`.

        The same rules hold as for `http_client`; `wss` counts as https, `ws` as http. Redirects
        are not followed. The bounds are those of `limits`; of the policy's own only
        `connect_timeout_s` counts.

        Args:
            caller: Who asks, and its rules.
            url: `ws` or `wss`.
            headers: Sent with the handshake.
            subprotocols: Offered, in order of preference.
            limits: Bounds of messages and silence.

        Raises:
            HandshakeFailed: The peer answered something else than a WebSocket.
            httpx2.ConnectError: Refused (`refusal_of` finds the rule) or unreachable.
            httpx2.TimeoutException: It took too long.
        """
        return await open_websocket(
            self.http_client(caller),
            url,
            headers=headers or {},
            subprotocols=subprotocols,
            limits=limits or WebSocketLimits(),
        )

    async def is_own_network(self, host: str, port: int) -> bool:
        """Whether a host stands on this machine or in its own network, and nowhere else.

        False if a proxy would look the name up, or if it has no address within five seconds.

        Args:
            host: As `carapace.net.url.check_host` writes it.
            port: 1 to 65535.
        """
        proxy = self._proxy
        if proxy is not None and proxy.serves(host):
            return False
        if (address := literal(host)) is not None:
            return refusal(address) is not None
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT_S):
                addresses = await self._way.resolver.resolve(host, port)
        except (OSError, UnicodeError):
            return False
        return bool(addresses) and all(refusal(one) is not None for one in addresses)

    def unix_client(self, path: str) -> httpx2.AsyncClient:
        """A client for a daemon's socket on this machine; see `carapace.net.unix`."""
        return unix_client(path)

    def _way_of(self, caller: EgressCaller) -> Way:
        own = caller.proxy
        return self._way if own is None else replace(self._way, find_proxy=lambda: own)

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context

    def _refused(self, caller: str, refused: EgressRefused) -> None:
        self._audit.record(
            AuditKind.EGRESS_REFUSED,
            caller=caller,
            host=refused.host,
            port=refused.port,
            reason=refused.reason,
        )
        log.warning(
            "outbound request refused",
            caller=caller,
            host=refused.host,
            port=refused.port,
            reason=refused.reason,
        )


def _timeouts(policy: EgressPolicy) -> httpx2.Timeout:
    return httpx2.Timeout(
        policy.silence_timeout_s,
        connect=policy.connect_timeout_s,
        pool=policy.connect_timeout_s,
    )
