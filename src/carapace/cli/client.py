"""The command line as a client of the gateway: protocol 3, with its own device.

One connection, one thread. Answers and events come through the same socket; an event that
arrives while an answer is awaited is kept for whoever asks next.
"""

from __future__ import annotations

import platform
import sys
import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from carapace import __version__
from carapace.cli.target import Target, is_this_machine
from carapace.cli.trouble import Trouble
from carapace.cli.websocket import Closed, TooFar, WebSocket, WebSocketError
from carapace.ids import new_id
from carapace.protocol.connect import ClientAuth, ClientInfo, ConnectParams
from carapace.value import Value

__all__ = ["EventFrame", "GatewayClient", "RequestFailed"]

_SCOPES: Final = ["operator.admin", "operator.approvals", "operator.pairing"]
_MAX_KEPT_EVENTS: Final = 10_000
_SERVICE_RESTART: Final = 1012
_GLANCE_S: Final = 0.001
_BACK_S: Final = 15.0
_BACK_POLL_S: Final = 0.1


class RequestFailed(Trouble):
    """The gateway refused a request.

    Attributes:
        code: The error code of the wire.
    """

    def __init__(self, method: str, code: str, message: str) -> None:
        super().__init__(f"The gateway refused {method}.", why=message)
        self.code = code


class EventFrame(Value, frozen=True):
    """An event as it arrived."""

    name: str
    payload: dict[str, Any]


class GatewayClient:
    """A connection that has been admitted; use it as a context manager.

    Args:
        target: Where to, and as whom.
        timeout_s: For the handshake, and for calls that name none.

    Raises:
        Trouble: If the gateway cannot be reached or does not admit us.
    """

    def __init__(self, target: Target, *, timeout_s: float = 10.0) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._events: deque[EventFrame] = deque(maxlen=_MAX_KEPT_EVENTS)
        try:
            self._socket = WebSocket.connect(target.url, timeout_s=timeout_s)
        except WebSocketError as error:
            raise _unreachable(target.url, error) from error
        try:
            self.hello: dict[str, Any] = self._handshake()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def revive(self, within_s: float = _BACK_S, *, glance_s: float = _GLANCE_S) -> None:
        """Connect again if the gateway has restarted since the last call.

        Call it where a person may have been silent for long.

        Args:
            within_s: How long the gateway may be away.
            glance_s: How long to look for an end that may still be on its way.

        Raises:
            Trouble: If it is not back within `within_s` seconds, or went away otherwise.
        """
        try:
            while True:
                self._receive(glance_s)
        except TimeoutError:
            return
        except Closed as closed:
            if closed.code != _SERVICE_RESTART:
                raise _ended(closed) from closed
        except WebSocketError as error:
            raise _ended(error) from error
        self._socket.close()
        self._events.clear()
        self._socket = self._connect_again(time.monotonic() + within_s)
        self.hello = self._handshake()

    def _connect_again(self, deadline: float) -> WebSocket:
        pause = threading.Event()  # nobody sets it: a wait that Ctrl-C ends
        while True:
            try:
                return WebSocket.connect(self._target.url, timeout_s=self._timeout_s)
            except WebSocketError as error:
                if time.monotonic() > deadline:
                    raise _unreachable(self._target.url, error) from error
            pause.wait(_BACK_POLL_S)

    def call(self, method: str, params: Any = None, *, timeout_s: float | None = None) -> Any:
        """Ask, and wait for the answer's payload.

        Raises:
            RequestFailed: If the gateway says no.
            Trouble: If it does not answer in time, or the connection ends.
        """
        request_id = new_id()
        frame: dict[str, Any] = {
            "type": "req",
            "id": request_id,
            "method": method,
            "params": params or {},
        }
        wait_s = timeout_s or self._timeout_s
        deadline = time.monotonic() + wait_s
        try:
            self._socket.send(msgspec.json.encode(frame).decode())
            while True:
                answer = self._receive(deadline - time.monotonic())
                if answer is not None and answer.get("id") == request_id:
                    return _payload(method, answer)
        except TimeoutError:
            raise Trouble(
                f"The gateway did not answer {method} within {wait_s:g} s.",
                next_step="Look into its log: cara logs; or wait longer: --timeout",
            ) from None
        except WebSocketError as error:
            raise _ended(error) from error

    def next_event(self, timeout_s: float | None) -> EventFrame | None:
        """The next event; None if none came in time.

        Raises:
            Trouble: If the connection ends.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            while not self._events:
                self._receive(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return None
        except WebSocketError as error:
            raise _ended(error) from error
        return self._events.popleft()

    def _receive(self, timeout_s: float | None) -> dict[str, Any] | None:
        """One frame: an event is kept and gives None, anything else is returned."""
        if timeout_s is not None and timeout_s <= 0:
            raise TimeoutError
        text = self._socket.receive(timeout_s)
        try:
            frame = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise WebSocketError("the gateway sent something that is not JSON") from error
        if frame.get("type") != "event":
            return frame
        self._events.append(EventFrame(str(frame.get("event")), _object(frame.get("payload"))))
        return None

    def _handshake(self) -> dict[str, Any]:
        challenge = self.next_event(self._timeout_s)
        if challenge is None or challenge.name != "connect.challenge":
            raise Trouble(
                "What answers there is not a gateway.",
                why="it sent no challenge",
                next_step=f"Check the address: {self._target.url}",
            )
        params = self._params(str(challenge.payload.get("nonce", "")))
        try:
            return self.call("connect", params)
        except RequestFailed as refused:
            raise _not_admitted(refused) from refused

    def _params(self, nonce: str) -> dict[str, Any]:
        target = self._target
        auth = ClientAuth(token=target.token, password=target.password)
        params = ConnectParams(
            min_protocol=3,
            max_protocol=3,
            client=ClientInfo(
                id="cli",
                version=__version__,
                platform=sys.platform,
                mode="cli",
                display_name=f"cara on {platform.node() or 'this machine'}",
            ),
            role="operator",
            scopes=list(_SCOPES),
            auth=auth if target.token or target.password else None,
        )
        if target.identity is not None:
            now_ms = time.time_ns() // 1_000_000
            params = target.identity.sign(params, role="operator", nonce=nonce, signed_at=now_ms)
        return _without_none(msgspec.to_builtins(params))


def _without_none(value: Any) -> Any:
    """JSON without nulls: an absent field and a null one are different things on the wire."""
    if isinstance(value, dict):
        fields: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - any JSON
        return {name: _without_none(kept) for name, kept in fields.items() if kept is not None}
    return value


def _object(value: Any) -> dict[str, Any]:
    """A JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType] - JSON keys are text


def _payload(method: str, answer: dict[str, Any]) -> Any:
    if answer.get("ok"):
        return answer.get("payload")
    fields = _object(answer.get("error"))
    raise RequestFailed(
        method, str(fields.get("code", "UNAVAILABLE")), str(fields.get("message", "no reason"))
    )


def _unreachable(url: str, error: WebSocketError) -> Trouble:
    if isinstance(error, TooFar):
        return Trouble(
            "The gateway was not called.",
            why=f"{error}, and ws:// would show the token to everyone on the way",
            next_step="Use wss://, or a tunnel (ssh -L 18789:127.0.0.1:18789 HOST) and "
            "ws://127.0.0.1:18789",
        )
    step = "Start one: cara up; or look for the cause: cara doctor"
    if not is_this_machine(url):
        step = "Check the address, and on that machine: cara status"
    return Trouble(f"No gateway answers at {url}.", why=str(error), next_step=step)


def _ended(error: WebSocketError) -> Trouble:
    why = error.reason if isinstance(error, Closed) and error.reason else str(error)
    return Trouble(
        "The connection to the gateway ended.", why=why, next_step="See: cara status, cara logs"
    )


def _not_admitted(refused: RequestFailed) -> Trouble:
    step = "Show the right token on the gateway's machine: cara token show; pass it with --token"
    if refused.code == "NOT_PAIRED":
        step = "Approve this device on the gateway's machine, then try again"
    return Trouble("The gateway did not let us in.", why=refused.why, next_step=step)
