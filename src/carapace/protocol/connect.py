"""The handshake: `connect` params and hello-ok (protocol 3, section 2.2).

What a client may name is closed (ids, modes); everything it asks for is only a wish: the
server computes role and scopes (`carapace.auth`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from carapace.protocol.events import StateVersion

__all__ = [
    "BRANDS",
    "CLIENT_IDS",
    "CLIENT_MODES",
    "PROTOCOLS",
    "ClientAuth",
    "ClientInfo",
    "ConnectParams",
    "DeviceProof",
    "Features",
    "HelloAuth",
    "HelloOk",
    "Policy",
    "ServerInfo",
    "Snapshot",
]

PROTOCOLS: Final = (3,)
BRANDS: Final = ("clawdbot", "moltbot", "openclaw")
CLIENT_MODES: Final = ("webchat", "cli", "ui", "backend", "node", "probe", "test")
_PLAIN_IDS = ("webchat-ui", "webchat", "cli", "gateway-client", "node-host", "test", "fingerprint")
_BRANDED_IDS = ("control-ui", "macos", "ios", "android", "probe")
CLIENT_IDS: Final = frozenset(_PLAIN_IDS) | {
    f"{brand}-{kind}" for brand in BRANDS for kind in _BRANDED_IDS
}
"""The union of three generations of client ids; each release knew only its own brand."""

NonEmpty = Annotated[str, Meta(min_length=1)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What comes in: camel case, nothing unknown."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class ClientInfo(_In, frozen=True):
    """Who the client says it is; shown to people, never trusted."""

    id: NonEmpty
    version: NonEmpty
    platform: NonEmpty
    mode: NonEmpty
    display_name: NonEmpty | None = None
    device_family: NonEmpty | None = None
    model_identifier: NonEmpty | None = None
    instance_id: NonEmpty | None = None


class DeviceProof(_In, frozen=True):
    """A device identity with its signature over the fields `carapace.auth.device` joins."""

    id: NonEmpty
    public_key: NonEmpty
    signature: NonEmpty
    signed_at: Annotated[int, Meta(ge=0, description="Milliseconds since 1970.")]
    nonce: NonEmpty | None = None


class ClientAuth(_In, frozen=True):
    """A shared secret, or a device token in `token`."""

    token: str | None = None
    password: str | None = None


class ConnectParams(_In, frozen=True):
    """Params of `connect`."""

    min_protocol: Annotated[int, Meta(ge=1)]
    max_protocol: Annotated[int, Meta(ge=1)]
    client: ClientInfo
    role: NonEmpty | None = None
    scopes: list[NonEmpty] | None = None
    caps: list[NonEmpty] | None = None
    commands: list[NonEmpty] | None = None
    permissions: dict[str, bool] | None = None
    path_env: str | None = None
    device: DeviceProof | None = None
    auth: ClientAuth | None = None
    locale: str | None = None
    user_agent: str | None = None


class ServerInfo(_Out, kw_only=True):
    """`server` of hello-ok."""

    version: str
    conn_id: str
    host: str | None = None
    commit: str | None = None


class Features(_Out):
    """What this gateway can be asked and may say."""

    methods: list[str]
    events: list[str]


class Snapshot(_Out, kw_only=True):
    """The state a client starts from; native decoders insist on the first four."""

    presence: Any
    health: Any
    state_version: StateVersion
    uptime_ms: int
    config_path: str | None = None
    state_dir: str | None = None
    session_defaults: dict[str, str] | None = None


class HelloAuth(_Out):
    """The device's token; only with a device."""

    device_token: str
    role: str
    scopes: list[str]
    issued_at_ms: int


class Policy(_Out):
    """Limits the client should know; the server enforces them anyway."""

    max_payload: int
    max_buffered_bytes: int
    tick_interval_ms: int


class HelloOk(_Out, kw_only=True):
    """Payload of the answer to `connect`."""

    type: Literal["hello-ok"]
    protocol: int
    server: ServerInfo
    features: Features
    snapshot: Snapshot
    canvas_host_url: str | None = None
    auth: HelloAuth | None = None
    policy: Policy
