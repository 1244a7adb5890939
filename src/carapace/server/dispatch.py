"""From a request to its answer: may the caller, do the params fit, what does the handler say.

Authorization comes before anything else, unknown methods included, so that a caller learns
nothing about what it may not use. A plain handler is answered inside the reader, without a
task; a coroutine handler runs as a task of its own, and so does what a plain one hands back to
be called, because it cannot answer at once after all. A pass of the event loop sends at most one
large answer: a hundred clients that ask for a megabyte each do not hold up everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from carapace.auth.types import Caller
from carapace.clock import Clock
from carapace.errors import Failed, GatewayError, Refused
from carapace.ids import ConnId, new_id
from carapace.protocol.connect import ClientInfo
from carapace.protocol.errors import ErrorCode, ErrorShape
from carapace.protocol.frames import Request, encode_error, encode_ok, encode_payload
from carapace.protocol.registry import MethodRow, Methods
from carapace.protocol.scopes import Role, Scope
from carapace.protocol.validation import decode_params
from carapace.protocol.version import Dialect
from carapace.server.ports import Link
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = ["ActiveCall", "Dispatcher"]

_log = get_logger(__name__)

_BACKSTOP_S: Final = 3_600.0  # longer than any run may take; only a hung handler meets it
_UNKNOWN: Final = "unknown"
_ERROR_ID_LENGTH: Final = 12
_LARGE_BYTES: Final = 65_536  # takes the loop some 50 µs to hand to a socket, a megabyte 1 ms


class ActiveCall:
    """One request that is being served; what a handler's context is made of."""

    __slots__ = ("_link", "method", "request_id")

    def __init__(self, link: Link, request_id: str, method: str) -> None:
        self._link = link
        self.request_id = request_id
        self.method = method

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self._link.caller

    @property
    def conn_id(self) -> ConnId:
        """The connection it came in on."""
        return self._link.caller.conn_id

    @property
    def client(self) -> ClientInfo | None:
        """What the client says about itself; for display only."""
        return self._link.caller.client

    def accept(self, payload: Any) -> None:
        """Send a first answer now; the handler's result becomes the second (`agent` only)."""
        self._link.send(encode_ok(self.request_id, payload))


class _Route:
    """A row with its counters, which are dear to look up by label."""

    __slots__ = ("counters", "row")

    def __init__(self, row: MethodRow, metrics: Metrics) -> None:
        self.row = row
        self.counters = _Counters(row.name, metrics)


class _Counters:
    __slots__ = ("failed", "ok", "refused", "seconds")

    def __init__(self, method: str, metrics: Metrics) -> None:
        self.ok = metrics.requests.labels(method, "ok")
        self.refused = metrics.requests.labels(method, "refused")
        self.failed = metrics.requests.labels(method, "failed")
        self.seconds = metrics.request_seconds


class Dispatcher:
    """Serves the registry.

    Args:
        methods: Every row of the gateway.
        make_context: Turns an `ActiveCall` into what handlers take.
        clock: For durations.
        metrics: Counts requests by method and outcome.
    """

    def __init__(
        self,
        methods: Methods,
        make_context: Callable[[ActiveCall], Any],
        *,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._routes = {name: _Route(row, metrics) for name, row in methods.items()}
        self._unknown = _Counters(_UNKNOWN, metrics)
        self._make_context = make_context
        self._clock = clock
        self._tasks = Tasks("request", _report)
        self._large = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._tasks)

    def dispatch(self, link: Link, request: Request) -> None:
        """Answer `request` on `link`, at once or later."""
        route = self._routes.get(request.method)
        counters = route.counters if route else self._unknown
        began = self._clock.monotonic()
        try:
            row = _permitted(route.row if route else None, request.method, link)
            params = decode_params(row, request.params)
            call = ActiveCall(link, request.id, request.method)
            work = _prepared(row, self._make_context(call), params)
            if row.is_async:
                self._start(link, request, work, counters)
                return
            answer = work()
            if callable(answer):
                self._start(link, request, answer, counters)
                return
            link.send(encode_ok(request.id, answer))
            counters.ok.inc()
            counters.seconds.observe(self._clock.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is answered
            link.send(_failure(link.dialect, request, error, counters))

    async def drain(self, deadline_s: float) -> bool:
        """Let running requests end; False if some still ran after `deadline_s`."""
        return await self._tasks.drain(deadline_s)

    async def close(self) -> None:
        """Cancel what still runs."""
        await self._tasks.close()

    def _start(
        self, link: Link, request: Request, work: Callable[[], Any], counters: _Counters
    ) -> None:
        link.begin(request.id)
        try:
            self._tasks.start(
                self._answer_later(link, request, work, counters), name=request.method
            )
        except RuntimeError:
            link.finish(request.id)
            raise Failed("the gateway is stopping: try again in a moment", retryable=True) from None

    async def _answer_later(
        self, link: Link, request: Request, work: Callable[[], Any], counters: _Counters
    ) -> None:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(_BACKSTOP_S):
                payload = encode_payload(await work())
            if len(memoryview(payload)) > _LARGE_BYTES:
                async with self._large:
                    await asyncio.sleep(0)
            frame = encode_ok(request.id, payload)
            counters.ok.inc()
        except Exception as error:  # noqa: BLE001 - as in `dispatch`
            frame = _failure(link.dialect, request, error, counters)
        counters.seconds.observe(self._clock.monotonic() - began)
        if link.finish(request.id):
            link.send(frame)


def _prepared(row: MethodRow, context: Any, params: Any) -> Callable[[], Any]:
    """The handler with what it takes; not called yet, so that nothing is left un-awaited."""
    if row.params is None:
        return partial(row.handler, context)
    return partial(row.handler, context, params)


def _permitted(row: MethodRow | None, method: str, link: Link) -> MethodRow:
    """The row, if the caller may use it.

    Raises:
        Refused: In the words and the order of the Node gateway: role, scope, unknown.
    """
    caller = link.caller
    role = row.role if row is not None else Role.OPERATOR
    if caller.role is not role:
        raise Refused(f"unauthorized role: {caller.role}")
    scope = row.scope if row is not None else Scope.ADMIN
    if scope is not None and scope not in caller.scopes:
        raise Refused(f"missing scope: {scope}")
    if row is None or not link.dialect.knows(row):
        raise Refused(f"unknown method: {method}")
    return row


def _failure(dialect: Dialect, request: Request, error: Exception, counters: _Counters) -> bytes:
    if isinstance(error, GatewayError):
        (counters.refused if isinstance(error, Refused) else counters.failed).inc()
        try:
            return encode_error(request.id, dialect.shape_error(error), error.payload)
        except (TypeError, msgspec.EncodeError) as broken:
            error = broken
    else:
        counters.failed.inc()
    error_id = new_id()[:_ERROR_ID_LENGTH]
    _log.error("request failed", method=request.method[:80], error_id=error_id, exc_info=error)
    return encode_error(request.id, _unexpected(error_id))


def _unexpected(error_id: str) -> ErrorShape:
    return ErrorShape(
        code=ErrorCode.UNAVAILABLE,
        message=f"something went wrong inside the gateway: look for {error_id} in its log",
    )


def _report(name: str, error: BaseException) -> None:
    _log.error("request task died", task=name, exc_info=error)
