"""HTTP over a unix socket, for daemons of this machine that identify callers (Tailscale)."""

from __future__ import annotations

import ssl

import httpcore2
import httpx2

from carapace.net.backend import system_dialler
from carapace.net.policy import EgressPolicy
from carapace.net.transport import GuardedTransport

__all__ = ["unix_client"]

MAX_BODY_BYTES = 1024 * 1024
_HOST = ("localhost", 80)


def unix_client(path: str, *, timeout_s: float = 2.0) -> httpx2.AsyncClient:
    """A client whose every request goes to the socket at `path`, whatever its URL says.

    Requests use URLs under `http://localhost/`; set the `Host` header if the daemon wants
    another one. Bodies are capped at 1 MiB.

    Args:
        path: Absolute path of the socket.
        timeout_s: Bound of each whole request.
    """
    policy = EgressPolicy(
        allow_hosts=frozenset([_HOST]),
        only_hosts=frozenset([_HOST]),
        max_wire_bytes=MAX_BODY_BYTES,
        max_decoded_bytes=MAX_BODY_BYTES,
        connect_timeout_s=timeout_s,
        silence_timeout_s=timeout_s,
        total_timeout_s=timeout_s,
    )
    pool = httpcore2.AsyncConnectionPool(
        uds=path,
        # Never used for http, but the pool would load the whole trust store without one.
        ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        network_backend=system_dialler(),
    )
    return httpx2.AsyncClient(
        transport=GuardedTransport(policy, pool, lambda _refused: None),
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=False,
    )
