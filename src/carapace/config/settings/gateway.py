"""`gateway.*`: where the gateway listens, who may speak to it, and how much."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.control_ui import ControlUiSettings
from carapace.config.settings.http import HttpSettings
from carapace.config.settings.nodes import NodesSettings
from carapace.config.settings.setting import Count, Port, PositiveInt, Section, setting
from carapace.protocol.scopes import Scope

__all__ = [
    "AuthRateLimit",
    "AuthSettings",
    "GatewaySettings",
    "LimitSettings",
    "ReloadSettings",
    "RemoteSettings",
    "TailscaleSettings",
    "TlsSettings",
]


class AuthRateLimit(Section, frozen=True):
    """How failed logins are slowed down. Loopback is counted like any other address."""

    max_attempts: Annotated[
        PositiveInt, setting("Failed logins an address may make within the window.", live=True)
    ] = 10
    window_ms: Annotated[
        PositiveInt, setting("Length of the window in milliseconds.", live=True)
    ] = 60_000
    lockout_ms: Annotated[
        PositiveInt,
        setting("How long an address is locked out after that, in milliseconds.", live=True),
    ] = 300_000


class AuthSettings(Section, frozen=True):
    """Who may connect."""

    mode: Annotated[
        Literal["token", "password"] | None,
        setting(
            "Which shared credential is asked for. Without it: the password if only that "
            "is set, else the token.",
            live=True,
        ),
    ] = None
    token: Annotated[
        str | None,
        setting(
            "The shared token. Without one a token is generated and kept in the vault.",
            live=True,
            secret=True,
        ),
    ] = None
    password: Annotated[str | None, setting("The shared password.", live=True, secret=True)] = None
    allow_tailscale: Annotated[
        bool | None,
        setting(
            "Accept the identity that Tailscale Serve proves. Without it: only when "
            "`gateway.tailscale.mode` is `serve` and the credential is a token.",
            live=True,
        ),
    ] = None
    device_less_scopes: Annotated[
        tuple[Scope, ...],
        setting(
            "The most that a client with the shared credential but without a paired device "
            "may do, whatever it asks for.",
            live=True,
        ),
    ] = (Scope.READ, Scope.WRITE)
    rate_limit: Annotated[AuthRateLimit, setting("Limits on failed logins.")] = msgspec.field(
        default_factory=AuthRateLimit
    )


class TailscaleSettings(Section, frozen=True):
    """Tailscale in front of the gateway."""

    mode: Annotated[
        Literal["off", "serve", "funnel"],
        setting(
            "How Tailscale reaches the gateway. `serve` and `funnel` need a loopback bind, "
            "`funnel` needs password mode."
        ),
    ] = "off"


class TlsSettings(Section, frozen=True):
    """TLS on the gateway's own port."""

    enabled: Annotated[bool, setting("Speak TLS on the port.")] = False
    cert_path: Annotated[str | None, setting("PEM file with the certificate chain.")] = None
    key_path: Annotated[str | None, setting("PEM file with the private key.")] = None


class LimitSettings(Section, frozen=True):
    """What one client, or all of them, may take."""

    handshake_timeout_s: Annotated[
        PositiveInt, setting("Seconds a connection may take to authenticate.")
    ] = 10
    max_payload_bytes: Annotated[
        PositiveInt, setting("Longest WebSocket message accepted, in bytes.")
    ] = 524_288
    max_buffered_bytes: Annotated[
        PositiveInt,
        setting("Bytes that may wait for a client that does not read; beyond it is closed."),
    ] = 1_572_864
    max_unauthenticated: Annotated[
        PositiveInt, setting("Connections that may be in the handshake at once.")
    ] = 1_024
    max_unauthenticated_per_address: Annotated[
        PositiveInt, setting("The same, from one address.")
    ] = 256
    max_connections: Annotated[PositiveInt, setting("Open connections in all.")] = 4_096
    max_in_flight: Annotated[
        PositiveInt, setting("Requests of one connection that may run at once.")
    ] = 64


class RemoteSettings(Section, frozen=True):
    """The gateway on another machine that commands here talk to when `mode` is `remote`."""

    url: Annotated[
        str | None,
        setting("Its address, as in wss://box.example:443. Plain ws:// only in a private network."),
    ] = None
    token: Annotated[str | None, setting("Its token.", secret=True)] = None
    password: Annotated[str | None, setting("Its password.", secret=True)] = None


class ReloadSettings(Section, frozen=True):
    """What happens when the configuration file changes."""

    mode: Annotated[
        Literal["off", "hot", "restart", "hybrid"],
        setting(
            "`hybrid` applies what is live and restarts for the rest; `hot` applies what is live "
            "and reports the rest; `restart` restarts for every change; `off` applies nothing "
            "until the next start.",
        ),
    ] = "hybrid"
    debounce_ms: Annotated[
        Count, setting("Quiet time after the last change before the file is read again.")
    ] = 300


class GatewaySettings(Section, frozen=True):
    """Where the gateway listens, who may speak to it, and how much."""

    port: Annotated[Port, setting("TCP port for HTTP and WebSocket.")] = 18_789
    mode: Annotated[
        Literal["local", "remote"],
        setting("`local` runs the gateway here; `remote` is for clients of another machine."),
    ] = "local"
    bind: Annotated[
        Literal["loopback", "lan", "tailnet", "auto", "custom"],
        setting("Which addresses to listen on. Anything but loopback needs authentication."),
    ] = "loopback"
    custom_bind_host: Annotated[
        str | None, setting("Address to listen on when `bind` is `custom`.")
    ] = None
    remote: Annotated[RemoteSettings, setting("The gateway of mode `remote`.")] = msgspec.field(
        default_factory=RemoteSettings
    )
    auth: Annotated[AuthSettings, setting("Who may connect.")] = msgspec.field(
        default_factory=AuthSettings
    )
    control_ui: Annotated[ControlUiSettings, setting("The web page.")] = msgspec.field(
        default_factory=ControlUiSettings
    )
    tailscale: Annotated[TailscaleSettings, setting("Tailscale in front.")] = msgspec.field(
        default_factory=TailscaleSettings
    )
    tls: Annotated[TlsSettings, setting("TLS on the port.")] = msgspec.field(
        default_factory=TlsSettings
    )
    http: Annotated[HttpSettings, setting("The HTTP side.")] = msgspec.field(
        default_factory=HttpSettings
    )
    limits: Annotated[LimitSettings, setting("Caps per client and in all.")] = msgspec.field(
        default_factory=LimitSettings
    )
    reload: Annotated[ReloadSettings, setting("What a changed file does.")] = msgspec.field(
        default_factory=ReloadSettings
    )
    nodes: Annotated[NodesSettings, setting("Machines that serve it.")] = msgspec.field(
        default_factory=NodesSettings
    )
    trusted_proxies: Annotated[
        tuple[str, ...],
        setting(
            "Addresses or CIDR ranges of proxies whose forwarding headers are believed.", live=True
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        setting("Web origins besides the gateway's own that may open a connection.", live=True),
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        setting("Host names besides the bound addresses that requests may name.", live=True),
    ] = ()
    tick_interval_s: Annotated[
        PositiveInt, setting("Seconds between two `tick` events to each client.")
    ] = 30
