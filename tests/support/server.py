"""A gateway server on loopback with a scripted admitter, and a small client to talk to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from carapace.auth.presence import Presence
from carapace.auth.types import Admission, Caller, ConnectRefused, CredentialKind, Origin
from carapace.clock import Clock, SystemClock
from carapace.config.settings.gateway import GatewaySettings, LimitSettings
from carapace.ids import ConnId, DeviceId
from carapace.protocol.connect import ClientInfo, ConnectParams
from carapace.protocol.events import Event, StateVersion
from carapace.protocol.presence import PresenceEntry
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Role, Scope, effective
from carapace.server.app import GatewayServer, ServerParts
from carapace.server.bind import BindPlan, listen
from carapace.server.dispatch import ActiveCall
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor

TOKEN = "right-token"
HEALTH = msgspec.Raw(b'{"ok":true,"ts":1,"durationMs":0,"sessions":{"path":"x"}}')


def client_info(mode: str = "backend", **more: Any) -> ClientInfo:
    fields: dict[str, Any] = {
        "id": "gateway-client",
        "version": "1.0.0",
        "platform": "linux",
        "display_name": "golden",
    }
    return ClientInfo(mode=mode, **(fields | more))


def make_caller(
    conn_id: str = "c1",
    *,
    role: Role = Role.OPERATOR,
    scopes: tuple[str, ...] = ("operator.admin",),
    client: ClientInfo | None = None,
    device_id: str | None = None,
    is_local: bool = True,
) -> Caller:
    who = client or client_info()
    return Caller(
        conn_id=ConnId(conn_id),
        role=role,
        scopes=effective(scopes),
        granted=scopes,
        client_id=who.id,
        client_mode=who.mode,
        device_id=DeviceId(device_id) if device_id else None,
        credential=CredentialKind.TOKEN,
        is_local=is_local,
        client=who,
    )


@dataclass
class ScriptedAdmitter:
    """Lets in who has `TOKEN`, with the role and scopes it asks for.

    What the real one refuses is refused with the same exception; `gate` holds everybody up.
    """

    gate: asyncio.Event | None = None
    error: Exception | None = None
    nonces: list[str] = field(default_factory=list)

    async def connect(
        self, params: ConnectParams, origin: Origin, *, nonce: str, conn_id: ConnId
    ) -> Admission:
        self.nonces.append(nonce)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        if params.auth is None or params.auth.token != TOKEN:
            raise ConnectRefused("unauthorized: gateway token mismatch", reason="token-mismatch")
        return Admission(
            make_caller(
                conn_id,
                role=Role(params.role or "operator"),
                scopes=tuple(params.scopes or ()),
                client=params.client,
                is_local=origin.is_local,
            )
        )

    async def bearer(self, secret: str | None, origin: Origin) -> Caller:
        if secret == "reader":
            return make_caller("http", scopes=("operator.read",))
        if secret == "locked":
            raise ConnectRefused("too many", reason="locked", retry_after_ms=1500)
        if secret != TOKEN:
            raise ConnectRefused("unauthorized", reason="token-mismatch")
        return make_caller("http", scopes=("operator.read", "operator.write"))


class Source:
    """A snapshot that stands still, except for presence."""

    def __init__(self, presence: Presence, clock: Clock) -> None:
        self._presence = presence
        self._clock = clock

    def health(self) -> Any:
        return HEALTH

    def presence(self) -> Any:
        return self._presence.encoded(self._clock.now_ms())

    def state_version(self) -> StateVersion:
        return StateVersion(presence=self._presence.version, health=1)

    def session_defaults(self) -> dict[str, str]:
        return {"defaultAgentId": "main", "mainKey": "main"}

    def paths(self) -> tuple[str | None, str | None]:
        return "/secret/config.json", "/secret/state"


@dataclass
class SeenNodes:
    """What the server tells of its clients; `following` are nodes that hear of every session."""

    seen: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    following: set[ConnId] = field(default_factory=set[ConnId])

    def connected(self, caller: Caller, origin: Origin) -> None:
        self.seen.append(("connected", origin.client_ip))

    def welcome(self, caller: Caller) -> None:
        self.seen.append(("welcome", caller.client_id))

    def disconnected(self, caller: Caller) -> None:
        self.seen.append(("disconnected", caller.client_id))

    def followers(self, event: Event) -> frozenset[ConnId]:
        return frozenset(self.following) if event.name in ("agent", "chat") else frozenset()


def own_entry() -> PresenceEntry:
    return PresenceEntry(host="box", mode="gateway", reason="self", text="Gateway: box", ts=0)


def sample_methods() -> Methods:
    """Rows of every kind: plain, async, failing, answering twice, for nodes."""
    methods = Methods()

    @methods.method("health", scope=Scope.READ, lenient=True)
    def health(ctx: ActiveCall) -> Any:
        """Answer at once."""
        return HEALTH

    @methods.method("models.list", scope=Scope.READ)
    async def models(ctx: ActiveCall, params: EmptyParams) -> Any:
        """Answer after a turn of the loop."""
        await asyncio.sleep(0)
        return {"models": []}

    @methods.method("config.get", scope=Scope.ADMIN)
    def config(ctx: ActiveCall, params: EmptyParams) -> Any:
        """Fail in a way nobody foresaw."""
        raise ValueError("internal-detail-4711")

    @methods.method("agent", scope=Scope.WRITE)
    async def agent(ctx: ActiveCall) -> Any:
        """Answer twice."""
        ctx.accept({"status": "accepted"})
        await asyncio.sleep(0)
        return {"status": "ok"}

    @methods.method("node.event", role=Role.NODE)
    def node_event(ctx: ActiveCall) -> Any:
        """Take a node's news."""
        return {"ok": True}

    return methods


@dataclass
class Running:
    """A server that listens."""

    server: GatewayServer
    port: int
    admitter: ScriptedAdmitter
    nodes: SeenNodes
    metrics: Metrics
    audit_folder: Path
    presence: Presence

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def audit_in(folder: Path, clock: Clock | None = None) -> Audit:
    return Audit(folder, clock=clock or SystemClock(), redactor=Redactor())


@asynccontextmanager
async def running_server(
    folder: Path,
    *,
    methods: Methods | None = None,
    limits: LimitSettings | None = None,
    settings: GatewaySettings | None = None,
    prepare: Callable[[GatewayServer, ScriptedAdmitter], None] | None = None,
    tick_interval_s: int = 30,
    missed: Callable[[], Iterable[Event]] = tuple,
) -> AsyncGenerator[Running]:
    """A real server on a free loopback port, stopped at the end."""
    clock, metrics = SystemClock(), Metrics("test", with_process=False)
    presence, admitter, nodes = Presence(own_entry()), ScriptedAdmitter(), SeenNodes()
    chosen = settings or GatewaySettings()
    server = GatewayServer(
        ServerParts(
            methods=methods or sample_methods(),
            make_context=lambda call: call,
            admitter=admitter,
            source=Source(presence, clock),
            presence=presence,
            nodes=nodes,
            origin_settings=lambda: chosen,
            limits=limits or LimitSettings(),
            tick_interval_s=tick_interval_s,
            own_names=("box",),
            version="test",
            host="box",
            clock=clock,
            metrics=metrics,
            audit=audit_in(folder),
            missed=missed,
        )
    )
    if prepare is not None:
        prepare(server, admitter)
    sockets = listen(BindPlan(("127.0.0.1",)), 0)
    port = sockets[0].getsockname()[1]
    await server.start(sockets)
    try:
        yield Running(server, port, admitter, nodes, metrics, folder, presence)
    finally:
        await server.stop(2.0)


class WsClient:
    """A client that keeps events and answers apart."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.events: list[dict[str, Any]] = []
        self._ids = 0

    async def frame(self) -> dict[str, Any]:
        """The next frame, whatever it is."""
        message = await self.ws.receive(timeout=5)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise EOFError(self.ws.close_code, message.extra)
        return msgspec.json.decode(message.data)

    async def answer(self, request_id: Any) -> dict[str, Any]:
        """The next response with this id; events on the way are kept."""
        while True:
            frame = await self.frame()
            if frame["type"] == "res" and frame["id"] == request_id:
                return frame
            self.events.append(frame)

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of this name."""
        while True:
            frame = self.events.pop(0) if self.events else await self.frame()
            if frame.get("event") == name:
                return frame

    async def call(self, method: str, params: Any = None) -> dict[str, Any]:
        self._ids += 1
        request = {"type": "req", "id": f"r{self._ids}", "method": method}
        if params is not None:
            request["params"] = params
        await self.ws.send_str(msgspec.json.encode(request).decode())
        return await self.answer(request["id"])

    async def connect(self, **changes: Any) -> dict[str, Any]:
        return await self.call("connect", connect_params(**changes))

    async def closed(self) -> tuple[int | None, str]:
        """Read to the end; the close code and reason."""
        while True:
            message = await self.ws.receive(timeout=5)
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra or ""
            if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return self.ws.close_code, ""


def connect_params(**changes: Any) -> dict[str, Any]:
    params: dict[str, Any] = {
        "minProtocol": 3,
        "maxProtocol": 3,
        "client": {"id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend"},
        "role": "operator",
        "scopes": ["operator.admin"],
        "auth": {"token": TOKEN},
    }
    return params | changes


@asynccontextmanager
async def ws_client(url: str, *, autoclose: bool = False, **kw: Any) -> AsyncGenerator[WsClient]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, autoclose=autoclose, max_msg_size=0, **kw) as ws,
    ):
        yield WsClient(ws)


def raw_socket(port: int) -> socket.socket:
    """A plain socket, for clients that do not behave."""
    opened = socket.create_connection(("127.0.0.1", port), timeout=5)
    opened.setblocking(False)
    return opened
