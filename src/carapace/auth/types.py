"""Words of the room: where a request came from, who makes it, and how it is turned away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from carapace.errors import GatewayError
from carapace.ids import ConnId, DeviceId
from carapace.protocol.connect import ClientInfo, HelloAuth
from carapace.protocol.errors import ErrorCode
from carapace.protocol.scopes import Role, Scope
from carapace.value import Value

__all__ = [
    "CLOSE_POLICY",
    "CLOSE_PROTOCOL",
    "Admission",
    "Caller",
    "CloseCallers",
    "ConnectRefused",
    "CredentialKind",
    "NodeClaims",
    "Origin",
]

CLOSE_POLICY: Final = 1008
CLOSE_PROTOCOL: Final = 1002
_MAX_REASON_BYTES: Final = 123  # RFC 6455, section 5.5: a control frame carries 125 bytes


class CredentialKind(StrEnum):
    """What convinced the gateway."""

    TOKEN = "token"  # noqa: S105 - the name of a kind, not a secret
    PASSWORD = "password"  # noqa: S105 - as above
    DEVICE_TOKEN = "device-token"  # noqa: S105 - as above
    TAILSCALE = "tailscale"

    @property
    def is_shared(self) -> bool:
        """Whether it is the one secret that all of the operator's clients know."""
        return self in (CredentialKind.TOKEN, CredentialKind.PASSWORD)


class Origin(Value, frozen=True):
    """Where a request came from, as far as it can be believed.

    Attributes:
        peer_ip: The socket's other end, canonical text (an IPv4-mapped address as IPv4).
        client_ip: The rightmost address that is no trusted proxy; equals `peer_ip` without one.
        is_local: The peer is this machine and nothing says that it forwards for another.
        is_private: The bytes cannot be read on the way: loopback, TLS, tailnet, or a trusted
            proxy that says it was spoken to by https.
        host: The Host header, lower case, with its port if it had one; "" if missing.
        origin: The Origin header as sent; None if missing (a native client).
        is_forwarded: A forwarding header is present, whoever set it.
        via_trusted_proxy: The peer is listed in `gateway.trustedProxies`.
        tailscale_login: Claimed by `tailscale serve`; worthless until whois confirms it.
        forwarded_for: The last hop of `X-Forwarded-For`, unjudged.
        user_agent: For logs only.
    """

    peer_ip: str
    client_ip: str
    is_local: bool
    is_private: bool
    host: str
    origin: str | None = None
    is_forwarded: bool = False
    via_trusted_proxy: bool = False
    tailscale_login: str | None = None
    forwarded_for: str | None = None
    user_agent: str | None = None


class NodeClaims(Value, frozen=True):
    """What a node said when it came, besides its commands.

    Attributes:
        platform: As it was approved, whatever it says now: rules go by it (advisory A07).
        caps: Kinds of commands it has; for display only.
        permissions: What its system lets it do; for display only.
    """

    platform: str
    caps: tuple[str, ...] = ()
    permissions: Mapping[str, bool] | None = None


class Caller(Value, frozen=True):
    """Somebody the gateway let in. Everything here was decided by the server.

    Attributes:
        conn_id: The connection, or a fresh id for one HTTP request.
        role: Operator or node.
        scopes: All that the caller may do, implied scopes included.
        granted: The same as names, the way hello-ok and presence show it.
        client_id: From the closed list of client ids, "http" for a bearer.
        client_mode: From the closed list of modes, "backend" for a bearer.
        device_id: The proven device, if there is one.
        credential: What convinced the gateway.
        is_local: See `Origin`.
        client: What the client says about itself; for display only.
        commands: Of a node: what it offers *and* was approved for.
        claims: Of a node: what else it says.
        login: The tailnet user, where tailscale vouched for one.
    """

    conn_id: ConnId
    role: Role
    scopes: frozenset[Scope]
    granted: tuple[str, ...]
    client_id: str
    client_mode: str
    device_id: DeviceId | None
    credential: CredentialKind
    is_local: bool
    client: ClientInfo | None = None
    commands: tuple[str, ...] = ()
    claims: NodeClaims | None = None
    login: str | None = None


class Admission(Value, frozen=True):
    """A successful connect.

    Attributes:
        caller: Who it is.
        device_token: For hello-ok's `auth`; only with a device.
    """

    caller: Caller
    device_token: HelloAuth | None = None


CloseCallers = Callable[[Callable[[Caller], bool], str], None]
"""`close(predicate, reason)`: end at once every live connection whose caller matches."""


class ConnectRefused(GatewayError):  # noqa: N818 - reads as a sentence where it is raised
    """A connect that is answered with an error and then closed.

    Attributes:
        close_code: WebSocket close code (RFC 6455, section 7.4).
        close_reason: The message, cut to what a close frame can carry.
        reason: A short fixed word for metrics and the audit log; never client text.
    """

    code = ErrorCode.INVALID_REQUEST

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        code: ErrorCode = ErrorCode.INVALID_REQUEST,
        close_code: int = CLOSE_POLICY,
        details: dict[str, Any] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message, code=code, details=details, retry_after_ms=retry_after_ms)
        self.reason = reason
        self.close_code = close_code
        self.close_reason = message.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
