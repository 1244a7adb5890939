"""`Egress`: the one object that hands out HTTP clients."""

from __future__ import annotations

import ssl
from functools import partial

import httpcore2
import httpx2

from carapace.net.backend import GuardedBackend, system_dialler
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import EgressRefused
from carapace.net.resolve import Resolver, SystemResolver
from carapace.net.transport import GuardedTransport
from carapace.net.unix import unix_client
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger

__all__ = ["Egress"]

_KEEPALIVE_S = 60.0
log = get_logger(__name__)


class Egress:
    """The gateway's way out.

    Proxies, certificates and credentials of the environment (`HTTP_PROXY`, `.netrc`) are
    ignored; `SSL_CERT_FILE` and `SSL_CERT_DIR` count, since OpenSSL itself reads them.

    Args:
        audit: Gets a line for every refusal.
        resolver: Names to addresses; the machine's own unless a test brings one.
        dialler: Opens sockets to literal addresses; likewise.
        ssl_context: Trust for https; built at first use if None.
    """

    def __init__(
        self,
        audit: Audit,
        *,
        resolver: Resolver | None = None,
        dialler: httpcore2.AsyncNetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._audit = audit
        self._resolver = resolver or SystemResolver()
        self._dialler = dialler or system_dialler()
        self._ssl_context = ssl_context

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
            network_backend=GuardedBackend(policy, resolver=self._resolver, dialler=self._dialler),
        )
        return httpx2.AsyncClient(
            transport=GuardedTransport(policy, pool, on_refused),
            timeout=_timeouts(policy),
            trust_env=False,
            follow_redirects=False,
        )

    def unix_client(self, path: str) -> httpx2.AsyncClient:
        """A client for a daemon's socket on this machine; see `carapace.net.unix`."""
        return unix_client(path)

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
