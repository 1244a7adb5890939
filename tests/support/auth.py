"""Everything a test of authentication needs: identities, connects, a whole authenticator."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from multidict import CIMultiDict

from carapace.auth.devices import Devices
from carapace.auth.origin import describe
from carapace.auth.pairing import Pairing
from carapace.auth.ports import Whois
from carapace.auth.revocation import Revocations
from carapace.auth.service import Authenticator
from carapace.auth.shared import SharedCredential
from carapace.auth.tokens import DeviceTokens
from carapace.auth.types import Admission, Caller, ConnectRefused, CredentialKind, Origin
from carapace.config.settings.gateway import GatewaySettings
from carapace.ids import ConnId, DeviceId, new_id
from carapace.protocol.connect import ConnectParams
from carapace.protocol.events import Event
from carapace.protocol.scopes import Role, effective
from carapace.telemetry.audit import Audit, audit_files
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.database import memory_database

__all__ = [
    "ADMIN",
    "LOCAL",
    "NONCE",
    "REMOTE",
    "SHARED",
    "Identity",
    "MemoryVault",
    "Rig",
    "caller",
    "connect_params",
    "gateway",
    "headers",
    "origin_of",
    "rig",
]

NONCE = "3f0c2a52-6d7e-4c57-9a2c-0f6f0d7f3b11"
SHARED = "planted-shared-token-0123456789abcdef"
ADMIN = ("operator.admin", "operator.approvals", "operator.pairing")
LOCAL = Origin("127.0.0.1", "127.0.0.1", is_local=True, is_private=True, host="127.0.0.1:18789")
REMOTE = Origin("192.0.2.7", "192.0.2.7", is_local=False, is_private=True, host="192.0.2.1:18789")


class MemoryVault:
    """A `Vault` in a dict; passes the same contract suite as the sealed file."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self.kept.get(name)

    async def put(self, name: str, value: str) -> None:
        self.kept[name] = value

    async def get_or_put(self, name: str, make: Callable[[], str]) -> str:
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    async def delete(self, name: str) -> bool:
        return self.kept.pop(name, None) is not None

    async def names(self) -> list[str]:
        return sorted(self.kept)


class Identity:
    """A device's key."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key()
        self.raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.public = base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode()
        self.id = DeviceId(hashlib.sha256(self.raw).hexdigest())

    def sign(self, text: str) -> str:
        return base64.urlsafe_b64encode(self.key.sign(text.encode())).rstrip(b"=").decode()


def connect_params(
    identity: Identity | None = None,
    *,
    scopes: Sequence[str] | None = ("operator.admin",),
    token: str | None = SHARED,
    password: str | None = None,
    role: str | None = "operator",
    client_id: str = "cli",
    mode: str = "cli",
    platform: str = "linux",
    nonce: str | None = NONCE,
    signed_at: int = 1_767_225_600_000,
    device: dict[str, Any] | None = None,
    **extra: Any,
) -> ConnectParams:
    """Connect params as a stock client builds and signs them; `device` overrides its fields."""
    params: dict[str, Any] = {
        "minProtocol": 3,
        "maxProtocol": 3,
        "client": {
            "id": client_id,
            "displayName": "test",
            "version": "1.0.0",
            "platform": platform,
            "mode": mode,
        },
    }
    if role is not None:
        params["role"] = role
    if scopes is not None:
        params["scopes"] = list(scopes)
    auth = {
        name: value
        for name, value in (("token", token), ("password", password))
        if value is not None
    }
    if auth:
        params["auth"] = auth
    if identity is not None:
        parts = ["v2" if nonce else "v1", identity.id, client_id, mode, role or "operator"]
        parts += [",".join(scopes or ()), str(signed_at), token or ""]
        if nonce:
            parts.append(nonce)
        params["device"] = {
            "id": identity.id,
            "publicKey": identity.public,
            "signature": identity.sign("|".join(parts)),
            "signedAt": signed_at,
            **({"nonce": nonce} if nonce else {}),
            **(device or {}),
        }
    return msgspec.convert({**params, **extra}, ConnectParams)


def headers(*pairs: tuple[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(pairs)


def gateway(**fields: Any) -> GatewaySettings:
    """`gateway` settings as a config file would give them; the shared token is set."""
    return msgspec.convert({"auth": {"token": SHARED}, **fields}, GatewaySettings)


def caller(*scopes: str, device_id: str | None = None, role: Role = Role.OPERATOR) -> Caller:
    """Somebody who is already in."""
    return Caller(
        conn_id=ConnId(new_id()),
        role=role,
        scopes=effective(scopes),
        granted=scopes,
        client_id="cli",
        client_mode="cli",
        device_id=None if device_id is None else DeviceId(device_id),
        credential=CredentialKind.DEVICE_TOKEN if device_id else CredentialKind.TOKEN,
        is_local=True,
    )


@dataclass
class Rig:
    """An authenticator on a real database, with all it told the world."""

    auth: Authenticator
    shared: SharedCredential
    tokens: DeviceTokens
    pairing: Pairing
    devices: Devices
    revocations: Revocations
    vault: MemoryVault
    clock: FakeClock
    database: Any
    metrics: Metrics
    folder: Path
    redactor: Redactor
    audit: Audit
    settings: GatewaySettings
    events: list[Event] = field(default_factory=list[Event])
    live: list[Caller] = field(default_factory=list[Caller])
    closed: list[tuple[Caller, str]] = field(default_factory=list[tuple[Caller, str]])

    async def connect(self, params: ConnectParams, origin: Origin = LOCAL) -> Admission:
        admission = await self.auth.connect(params, origin, nonce=NONCE, conn_id=ConnId(new_id()))
        self.live.append(admission.caller)
        return admission

    async def refused(self, params: ConnectParams, origin: Origin = LOCAL) -> ConnectRefused:
        try:
            await self.connect(params, origin)
        except ConnectRefused as error:
            return error
        raise AssertionError("the connect was let in")

    def audited(self) -> list[dict[str, Any]]:
        return [
            msgspec.json.decode(line)
            for path in audit_files(self.folder)
            for line in path.read_bytes().splitlines()
        ]

    def kinds(self) -> list[str]:
        return [line["kind"] for line in self.audited()]


@asynccontextmanager
async def rig(
    settings: GatewaySettings | None = None, *, whois: Whois | None = None
) -> AsyncGenerator[Rig]:
    """A `Rig` with everything real but the clock and the vault."""
    settings = settings or gateway()
    events: list[Event] = []
    live: list[Caller] = []
    closed: list[tuple[Caller, str]] = []

    def close(matches: Callable[[Caller], bool], reason: str) -> None:
        for one in [one for one in live if matches(one)]:
            live.remove(one)
            closed.append((one, reason))

    with tempfile.TemporaryDirectory(prefix="carapace-auth-") as name:
        folder, clock, vault, redactor = Path(name), FakeClock(), MemoryVault(), Redactor()
        audit = Audit(folder, clock=clock, redactor=redactor)
        metrics = Metrics("0", with_process=False)
        revocations = Revocations(close)
        async with memory_database() as database:
            shared = await SharedCredential.open(
                settings.auth, vault, audit=audit, revocations=revocations, redactor=redactor
            )
            tokens = await DeviceTokens.open(vault)
            pairing = Pairing(database, tokens, clock=clock, publish=events.append, audit=audit)
            devices = Devices(
                database,
                tokens,
                revocations=revocations,
                clock=clock,
                publish=events.append,
                audit=audit,
            )
            auth = Authenticator(
                settings,
                shared=shared,
                tokens=tokens,
                pairing=pairing,
                revocations=revocations,
                whois=whois,
                clock=clock,
                audit=audit,
                metrics=metrics,
            )
            yield Rig(
                auth=auth,
                shared=shared,
                tokens=tokens,
                pairing=pairing,
                devices=devices,
                revocations=revocations,
                vault=vault,
                clock=clock,
                database=database,
                metrics=metrics,
                folder=folder,
                redactor=redactor,
                audit=audit,
                settings=settings,
                events=events,
                live=live,
                closed=closed,
            )
        audit.close()


def origin_of(peer_ip: str, *pairs: tuple[str, str], **fields: Any) -> Origin:
    """What `describe` says of a request."""
    return describe(peer_ip, headers(*pairs), gateway(**fields))
