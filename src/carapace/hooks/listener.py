"""One handler at one point: how it is called, and what is taken of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import msgspec

from carapace.clock import Clock
from carapace.hooks.points import HookPoint, Payload
from carapace.hooks.quarantine import Quarantine
from carapace.telemetry.log import get_logger

__all__ = ["MAX_CHARS", "CallOutcome", "Handler", "Listener", "accepted"]

P = TypeVar("P", bound=Payload)
Handler = Callable[[P], Awaitable[P | None]]
"""Gets the payload; gives it back changed, or None to leave it. Watchers give None."""
MAX_CHARS: Final = 100_000
"""Longest text that a handler may put in the place of another."""
_log = get_logger(__name__)


class CallOutcome(StrEnum):
    """How a call ended, as it is counted."""

    OK = "ok"
    VETOED = "vetoed"  # it stopped what was to happen
    FAILED = "failed"  # it raised
    TIMEOUT = "timeout"
    REFUSED = "refused"  # it changed what it may not, or to something of the wrong shape
    SKIPPED = "skipped"  # it rests, after too many failures
    DROPPED = "dropped"  # a watcher that is too far behind


class _Improper(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The answer of a handler cannot be taken."""


class Listener(Generic[P]):
    """A handler and its record.

    Args:
        point: Where it listens.
        handler: What is called.
        owner: Who brought it, for logs.
        priority: Higher ones are called first.
        number: Breaks ties: who came first.
        is_guard: If it cannot answer, what it guards does not happen.
        timeout_s: Longest call.
        clock: For its rest.
    """

    __slots__ = (
        "_clock",
        "_handler",
        "_quarantine",
        "_timeout_s",
        "is_guard",
        "number",
        "owner",
        "point",
        "priority",
    )

    def __init__(
        self,
        point: HookPoint[P],
        handler: Handler[P],
        *,
        owner: str,
        priority: int,
        number: int,
        is_guard: bool,
        timeout_s: float,
        clock: Clock,
    ) -> None:
        self.point = point
        self.owner = owner
        self.priority = priority
        self.number = number
        self.is_guard = is_guard
        self._handler = handler
        self._timeout_s = timeout_s
        self._clock = clock
        self._quarantine = Quarantine()

    async def call(self, payload: P) -> tuple[P, CallOutcome]:
        """What became of `payload`, and how the call ended; never raises for the handler."""
        if self._quarantine.is_resting(self._clock.monotonic()):
            return payload, CallOutcome.SKIPPED
        deadline = asyncio.timeout(self._timeout_s)
        try:
            async with deadline:
                answer = await self._handler(payload)
            taken = accepted(self.point, payload, answer)
        except TimeoutError as error:
            outcome = CallOutcome.TIMEOUT if deadline.expired() else CallOutcome.FAILED
            return self._failed(payload, outcome, error)
        except _Improper as error:
            return self._failed(payload, CallOutcome.REFUSED, error)
        except Exception as error:  # noqa: BLE001 - another's code must not end what it watches
            return self._failed(payload, CallOutcome.FAILED, error)
        self._quarantine.succeeded()
        veto = self.point.veto
        is_vetoed = veto is not None and getattr(taken, veto) is not None
        return taken, CallOutcome.VETOED if is_vetoed else CallOutcome.OK

    def _failed(self, payload: P, outcome: CallOutcome, error: Exception) -> tuple[P, CallOutcome]:
        rests = self._quarantine.failed(self._clock.monotonic())
        _log.warning(
            "hook handler failed",
            point=self.point.name,
            owner=self.owner,
            outcome=outcome.value,
            reason=str(error) or type(error).__name__,
            failures=self._quarantine.failures,
            rests=rests,
        )
        return payload, outcome


def accepted(point: HookPoint[P], before: P, answer: P | None) -> P:
    """The payload after a handler: `before` with what it may change taken from `answer`.

    Raises:
        _Improper: If the answer is of another kind, changes a fixed field, or does not fit.
    """
    if answer is None or answer is before or not point.is_modifiable:
        return before
    # The handler may run elsewhere, or be wrong about types: what it gave is read like a file.
    given: Any = answer
    if not isinstance(given, point.payload):
        raise _Improper(f"it gave a {type(given).__name__}")
    for field in point.payload.__struct_fields__:
        if field not in point.changes and getattr(given, field) != getattr(before, field):
            raise _Improper(f"it changed {field}, which is fixed")
    try:
        changed = msgspec.structs.replace(before, **_changes(point, before, given))
        msgspec.convert(msgspec.to_builtins(changed), point.payload)
    except (msgspec.ValidationError, TypeError, UnicodeEncodeError) as error:
        raise _Improper(str(error)) from error
    return changed


def _changes(point: HookPoint[Any], before: Payload, given: Payload) -> dict[str, Any]:
    """What is new. Texts that came long, from a model or a tool, may stay so."""
    found: dict[str, Any] = {}
    for name in point.changes:
        value = getattr(given, name)
        if value == getattr(before, name):
            continue
        if isinstance(value, str):
            value.encode()  # refuses lone surrogates, which no channel and no disk can take
            if len(value) > MAX_CHARS:
                raise _Improper(f"its {name} is longer than {MAX_CHARS} characters")
        found[name] = value
    return found
