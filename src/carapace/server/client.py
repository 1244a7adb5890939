"""One client: joins its socket, its rules and its place among the others.

From the socket come whole messages; `Connection` says what they mean; requests go to the
dispatcher, the first `connect` to the admitter. Everything that all clients share stands in
one `Lobby`, so that an idle client costs little more than its socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from carapace.auth.types import Admission, Caller, ConnectRefused, Origin
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.ids import ConnId, new_id
from carapace.protocol.connect import ConnectParams
from carapace.protocol.errors import ErrorCode, ErrorShape
from carapace.protocol.frames import (
    Request,
    encode_error,
    encode_event,
    encode_ok,
    event_parts,
)
from carapace.protocol.notices import Challenge
from carapace.protocol.registry import MethodRow
from carapace.protocol.scopes import Role
from carapace.protocol.validation import decode_params
from carapace.protocol.version import V3, Dialect, choose
from carapace.server.connection import Close, Connection, Handshake, Reply
from carapace.server.dispatch import Dispatcher
from carapace.server.hello import HelloBuilder
from carapace.server.hub import Hub
from carapace.server.ports import Admitter
from carapace.server.rate_limit import ConnectionCaps
from carapace.server.ws_frames import MAX_REASON_BYTES
from carapace.server.ws_transport import WsTransport
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["Client", "Lobby"]

_log = get_logger(__name__)
_NORMAL: Final = 1000
_POLICY: Final = 1008
_INTERNAL: Final = 1011
_HANDSHAKE: Final = "handshake"


class Lobby(Value, frozen=True, kw_only=True):
    """What all clients share.

    Attributes:
        admitter: Judges `connect`.
        dispatcher: Serves requests.
        hub: Where an admitted client joins.
        hello: Builds hello-ok.
        caps: Counts sockets.
        clock: For the challenge's time.
        metrics: Counts frames and failed handshakes.
        tasks: Owns handshakes under way.
        max_in_flight: Requests of one client that may run at once.
        max_buffered_bytes: What may wait for one client.
        handshake_timeout_s: How long a stranger may stay one.
        joined: Told of each client that was admitted, and where it came from.
        welcome: Told of each client once it has its hello-ok and hears events.
        closing: Told of each admitted client that was told goodbye; perhaps more than once.
        left: Told of each admitted client that is gone.
    """

    admitter: Admitter
    dispatcher: Dispatcher
    hub: Hub
    hello: HelloBuilder
    caps: ConnectionCaps
    clock: Clock
    metrics: Metrics
    tasks: Tasks
    max_in_flight: int
    max_buffered_bytes: int
    handshake_timeout_s: float
    joined: Callable[[Caller, Origin], None]
    welcome: Callable[[Caller], None]
    closing: Callable[[Caller], None]
    left: Callable[[Caller], None]


def _connect(params: ConnectParams) -> None:
    """Not a handler: gives the handshake's params their row, and so their error texts."""


_CONNECT_ROW: Final = MethodRow(
    name="connect",
    scope=None,
    role=Role.OPERATOR,
    params=ConnectParams,
    result=None,
    handler=_connect,
    is_async=False,
    summary="The handshake.",
    advertised=False,
)


class _Stranger:
    """What is known of a client only until it is admitted."""

    __slots__ = ("address_key", "nonce", "origin", "timer")

    def __init__(self, origin: Origin, address_key: str) -> None:
        self.origin = origin
        self.address_key = address_key
        self.nonce = new_id()
        self.timer: asyncio.TimerHandle | None = None


class Client:
    """A connected client, first a stranger, then a member of the hub.

    Args:
        lobby: What it shares with the others.
        wire: Its socket.
        origin: Where it comes from.
        address_key: What it counts as for the caps.
    """

    __slots__ = ("_admission", "_lobby", "_rules", "_seq", "_stranger", "_wire", "dialect")

    def __init__(
        self, lobby: Lobby, wire: WsTransport, origin: Origin, *, address_key: str
    ) -> None:
        self._lobby = lobby
        self._wire = wire
        self._rules = Connection(lobby.max_in_flight)
        self._stranger: _Stranger | None = _Stranger(origin, address_key)
        self._admission: Caller | None = None
        self._seq = 0
        self.dialect: Dialect = V3

    def open(self, early: bytes = b"") -> None:
        """Begin: the challenge goes out first, and the clock of the handshake runs."""
        stranger = self._stranger
        if stranger is None:
            return
        self._lobby.metrics.ws_connections.labels(_HANDSHAKE).inc()
        stranger.timer = asyncio.get_running_loop().call_later(
            self._lobby.handshake_timeout_s, self._too_late
        )
        challenge = Challenge(stranger.nonce, self._lobby.clock.now_ms())
        self.send(encode_event(event_parts("connect.challenge", challenge), None))
        self._wire.start(self, early)

    # As the dispatcher sees it.

    @property
    def caller(self) -> Caller:
        """Who was admitted.

        Raises:
            RuntimeError: Before that.
        """
        if self._admission is None:
            raise RuntimeError("nobody has been admitted on this connection")
        return self._admission

    def send(self, frame: bytes) -> None:
        """Queue one message."""
        self._lobby.metrics.ws_frames_out.inc()
        self._wire.send(frame)

    def begin(self, request_id: str) -> None:
        """The request will be answered later."""
        self._rules.begin(request_id)

    def finish(self, request_id: str) -> bool:
        """The request is answered now; False if nobody hears it."""
        return self._rules.finish(request_id)

    # As the hub sees it.

    @property
    def is_over_budget(self) -> bool:
        """Whether more bytes wait than one client is allowed."""
        return self._wire.buffered > self._lobby.max_buffered_bytes

    @property
    def stalled_s(self) -> float:
        """Seconds since the client stopped reading; 0.0 while it reads."""
        return self._wire.stalled_s

    def next_seq(self) -> int:
        """The number of the next event."""
        self._seq += 1
        return self._seq

    def send_parts(self, parts: bytes, tail: bytes) -> None:
        """Queue one event."""
        self._lobby.metrics.ws_frames_out.inc()
        self._wire.send_parts(parts, tail)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and end; nobody counts on it from now on, however long its socket takes."""
        self._rules.close()
        self._wire.close(code, reason)
        if self._admission is not None:
            self._lobby.closing(self._admission)

    # As the socket sees it.

    def received(self, message: bytes) -> None:
        """Do what the rules say."""
        self._lobby.metrics.ws_frames_in.inc()
        step = self._rules.receive(message)
        if isinstance(step, Request):
            self._lobby.dispatcher.dispatch(self, step)
        elif isinstance(step, Reply):
            self.send(step.frame)
        elif isinstance(step, Handshake):
            self._begin_handshake(step.request)
        elif isinstance(step, Close):
            self._refuse(step.cause, step.code, step.reason, step.reply)

    def lost(self) -> None:
        """The socket is gone."""
        self._rules.close()
        if self._stranger is not None:
            self._forget_stranger(self._stranger)
            self._lobby.metrics.handshake_failures.labels("left").inc()
        if self._admission is not None:
            self._lobby.hub.leave(self)
            self._lobby.left(self._admission)
        self._lobby.caps.leave()

    # The handshake.

    def _begin_handshake(self, request: Request) -> None:
        self._wire.hold()
        try:
            self._lobby.tasks.start(self._handshake(request), name="handshake")
        except RuntimeError:
            self.close(_POLICY, "the gateway is stopping")

    async def _handshake(self, request: Request) -> None:
        """Judge `connect`; the handshake's timer is the deadline of all of it."""
        stranger = self._stranger
        if stranger is None:
            return
        try:
            params: ConnectParams = decode_params(_CONNECT_ROW, request.params)
            admission = await self._lobby.admitter.connect(
                params, stranger.origin, nonce=stranger.nonce, conn_id=ConnId(new_id())
            )
        except ConnectRefused as error:
            frame = encode_error(request.id, self.dialect.shape_error(error))
            self._refuse(error.reason, error.close_code, error.close_reason, frame)
        except GatewayError as error:
            frame = encode_error(request.id, self.dialect.shape_error(error))
            self._refuse("invalid-params", _POLICY, error.message, frame)
        except Exception:  # noqa: BLE001 - a stranger must be answered, whatever broke
            _log.exception("handshake failed")
            failure = ErrorShape(
                code=ErrorCode.UNAVAILABLE,
                message="the gateway could not check this connect: its log says why",
            )
            frame = encode_error(request.id, failure)
            self._refuse("internal", _INTERNAL, "internal error", frame)
        else:
            self._admit(request, params, admission)
        self._wire.release()

    def _admit(self, request: Request, params: ConnectParams, admission: Admission) -> None:
        stranger = self._stranger
        if stranger is None or not self._wire.is_open:
            return  # it left, or the handshake's time ran out, while it was being judged
        self._forget_stranger(stranger)
        self.dialect = choose(params.min_protocol, params.max_protocol) or self.dialect
        self._admission = admission.caller
        self._rules.admit()
        self._lobby.joined(admission.caller, stranger.origin)
        hello = self._lobby.hello.build(admission, self.dialect, stranger.origin)
        self.send(encode_ok(request.id, hello))
        self._lobby.hub.join(self)
        self._lobby.welcome(admission.caller)

    def _refuse(self, cause: str, code: int, reason: str, reply: bytes | None = None) -> None:
        if not self._wire.is_open:
            return
        self._lobby.metrics.handshake_failures.labels(cause).inc()
        if self._stranger is not None:
            self._forget_stranger(self._stranger)
        if reply is not None:
            self.send(reply)
        self.close(code, reason[:MAX_REASON_BYTES])

    def _too_late(self) -> None:
        self._refuse("timeout", _NORMAL, "")

    def _forget_stranger(self, stranger: _Stranger) -> None:
        self._stranger = None
        if stranger.timer is not None:
            stranger.timer.cancel()
        self._lobby.caps.known(stranger.address_key)
        self._lobby.metrics.ws_connections.labels(_HANDSHAKE).dec()
