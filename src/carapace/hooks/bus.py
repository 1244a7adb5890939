"""`HookBus`: who listens at which point, and the calls to them.

Where nobody listens a point costs one look into a set (`heard`). Handlers that may change
something run one after the other, highest priority first, those of one priority in the order
they came. Watchers run in tasks of their own and hold up nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from carapace.clock import Clock
from carapace.hooks.listener import CallOutcome, Handler, Listener
from carapace.hooks.points import POINTS, HookPoint, Payload
from carapace.hooks.watchers import Watcher
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = ["TIMEOUT_S", "HookBus"]

P = TypeVar("P", bound=Payload)
TIMEOUT_S: Final = 5.0
_log = get_logger(__name__)


class HookBus:
    """The hook points of one gateway.

    Args:
        clock: For the rest of failing handlers.
        metrics: Counts calls by point and outcome.

    Attributes:
        heard: The points at which somebody listens. Look here before making a payload.
    """

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self.heard: frozenset[HookPoint[Any]] = frozenset()
        self._clock = clock
        self._metrics = metrics
        self._tasks = Tasks("hooks", _report)
        self._number = 0
        self._chains: dict[str, tuple[Listener[Any], ...]] = {}
        self._watchers: dict[int, Watcher] = {}

    def register(
        self,
        point: HookPoint[P],
        handler: Handler[P],
        *,
        owner: str,
        priority: int = 0,
        is_guard: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> Callable[[], None]:
        """Call `handler` at `point` from now on; the returned function ends that.

        Args:
            point: One of `carapace.hooks.points`.
            handler: Gets the payload; at modifiable points it may give back a changed one.
            owner: Who brought it, for logs.
            priority: Higher ones are called first.
            is_guard: If it fails, is late or rests, what it guards does not happen; else the
                gateway goes on without it.
            timeout_s: Longest call.

        Raises:
            ValueError: If there is no such point, or it has nothing that a guard could stop.
        """
        if POINTS.get(point.name) is not point:
            raise ValueError(f"there is no hook point {point.name!r}")
        if is_guard and point.veto is None:
            raise ValueError(f"{point.name} cannot be stopped, so it takes no guard")
        self._number += 1
        listener = Listener(
            point,
            handler,
            owner=owner,
            priority=priority,
            number=self._number,
            is_guard=is_guard,
            timeout_s=timeout_s,
            clock=self._clock,
        )
        if not point.is_modifiable:
            count = partial(self._count, point)
            self._watchers[listener.number] = Watcher(listener, self._tasks, count)
        chain = (*self._chains.get(point.name, ()), listener)
        self._set(point, tuple(sorted(chain, key=lambda one: (-one.priority, one.number))))
        return partial(self._unregister, listener)

    def _unregister(self, listener: Listener[Any]) -> None:
        chain = self._chains.get(listener.point.name, ())
        self._set(listener.point, tuple(one for one in chain if one is not listener))
        watcher = self._watchers.pop(listener.number, None)
        if watcher is not None:
            watcher.close()

    def _set(self, point: HookPoint[Any], chain: tuple[Listener[Any], ...]) -> None:
        self._chains[point.name] = chain
        self.heard = frozenset(POINTS[name] for name, found in self._chains.items() if found)

    async def change(self, point: HookPoint[P], payload: P) -> P:
        """What the handlers of a modifiable point make of `payload`.

        Once one of them sets the point's veto, the others are not asked: a veto stays.
        """
        for listener in self._chains.get(point.name, ()):
            payload, outcome = await listener.call(payload)
            if listener.is_guard and outcome not in (CallOutcome.OK, CallOutcome.VETOED):
                payload = _stopped(point, payload, listener.owner)
                outcome = CallOutcome.VETOED
            self._count(point, outcome)
            if outcome is CallOutcome.VETOED:
                _log.info("stopped by a hook", point=point.name, owner=listener.owner)
                return payload
        return payload

    def tell(self, point: HookPoint[P], payload: P) -> None:
        """Let the watchers of `point` know; returns at once.

        Raises:
            RuntimeError: Outside a running loop, if somebody watches.
        """
        for listener in self._chains.get(point.name, ()):
            watcher = self._watchers.get(listener.number)
            if watcher is not None:
                watcher.tell(payload)

    async def drain(self, deadline_s: float) -> bool:
        """Wait until the watchers have heard all; False if that took longer."""
        return await self._tasks.drain(deadline_s)

    async def aclose(self) -> None:
        """End all: nobody is called after this."""
        for watcher in self._watchers.values():
            watcher.close()
        self._watchers.clear()
        self._chains.clear()
        self.heard = frozenset()
        await self._tasks.close()

    def _count(self, point: HookPoint[Any], outcome: CallOutcome) -> None:
        self._metrics.hook_calls.labels(point.name, outcome.value).inc()


def _stopped(point: HookPoint[P], payload: P, owner: str) -> P:
    """The payload with the veto of a guard that cannot answer."""
    reason = f"{owner[:200]} guards this and could not answer; see the gateway's log"
    return msgspec.structs.replace(payload, **{point.veto or "": reason})


def _report(task: str, error: BaseException) -> None:
    _log.error("hook watcher died", task=task, exc_info=error)
