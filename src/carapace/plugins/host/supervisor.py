"""Keeps one plugin alive: its queue, its worker, and what follows when that is lost.

Rules of this file:

- Whoever holds the turn has the worker for itself; calls get it in the order in which they came.
- Nothing is done twice. A call that a lost worker has read has failed; one that it surely has
  not read, and those behind it, go to the next worker.
- A caller that gives up before its turn was never there. One that gives up later leaves the
  guest to finish, at most until the deadline: half a call cannot be taken back.
- A worker leaves `_worker` exactly once, through `_drop`; who gets it from there ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, Protocol

import msgspec

from carapace.clock import Clock
from carapace.errors import Failed
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.host.crashes import CrashHistory, CrashRules, Restart
from carapace.plugins.host.questions import Questions
from carapace.plugins.host.sealed import Artifact
from carapace.plugins.host.texts import begun_anew, busy, quarantined, refused, resting, stopped
from carapace.plugins.host.worker import COMMAND, NotTaken, Worker
from carapace.plugins.ports import HostState, Instance, LoadedPlugin, RunPhase
from carapace.tasks import Tasks
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["ArtifactSource", "House", "Supervisor"]

_log = get_logger(__name__)
_START_TIMEOUT_S: Final = 30.0
_EARLY_S: Final = 1.0  # a sleeper may wake a little before its time
_SERVICE: Final = "service"
_ENDING: Final = frozenset({RunPhase.STOPPING, RunPhase.STOPPED})
_INVALID: Final = "INVALID_COMPONENT"


class ArtifactSource(Protocol):
    """Where compiled components come from."""

    async def artifact(self, plugin: LoadedPlugin, *, anew: bool = False) -> Artifact:
        """The compiled component of `plugin`; the caller closes it.

        Args:
            plugin: Which one.
            anew: Compile it even if it is in the cache: the engine did not take that.

        Raises:
            PluginUnavailable: If there is none, with the reason.
        """
        ...


class House(Value, frozen=True, kw_only=True):
    """What all plugins of a host share.

    Attributes:
        artifacts: Finds or makes compiled components.
        clock: The time.
        audit: Hears of lost workers and quarantines.
        metrics: Counts calls and workers.
        on_change: Told a plugin's id after its state changed; must not raise.
        rules: How many losses are put up with.
        idle_stop_s: After how long unused a plugin without `service` loses its process.
        command: How a worker is started.
    """

    artifacts: ArtifactSource
    clock: Clock
    audit: Audit
    metrics: Metrics
    on_change: Callable[[str], None]
    rules: CrashRules = msgspec.field(default_factory=CrashRules)
    idle_stop_s: float = 900.0
    command: Sequence[str] = COMMAND


class _Outcome(Value, frozen=True):
    value: Any = None
    error: Failed | None = None


class Supervisor:
    """One plugin.

    Args:
        plugin: What runs.
        house: What it shares with others.
        generations: Numbers for workers, one after the other, shared with other supervisors.
    """

    def __init__(self, plugin: LoadedPlugin, house: House, generations: Iterator[int]) -> None:
        self.plugin = plugin
        self._house = house
        self._questions = Questions(plugin, clock=house.clock, metrics=house.metrics)
        self._crashes = CrashHistory(house.rules)
        self._tasks = Tasks(f"plugin {plugin.id}", _report)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._worker: Worker | None = None
        self._generations = generations
        self._generation = next(generations)
        self._restarts = 0
        self._failures = 0
        self._phase = RunPhase.STARTING
        self._reason = ""
        self._not_before_s = float("-inf")
        self._used_s = house.clock.monotonic()

    def state(self) -> HostState:
        """How it is."""
        retry_at_ms: int | None = None
        if self._phase is RunPhase.QUARANTINED:
            retry_at_ms = self._house.clock.now_ms() + round(self._pause_s() * 1000)
        return HostState(
            phase=self._phase,
            reason=self._reason,
            generation=self._generation,
            restarts=self._restarts,
            pid=None if self._worker is None else self._worker.pid,
            retry_at_ms=retry_at_ms,
        )

    async def open(self) -> None:
        """Bring up the first worker.

        Raises:
            PluginUnavailable: If it does not load; nothing is left running.
        """
        try:
            outcome = await self._finished(self._tasks.start(self._first(), name="open"))
        except BaseException:
            await self.close(0.0)
            raise
        if self._phase in _ENDING:
            raise stopped(self.plugin)
        if outcome.error is not None:
            await self.close(0.0)
            reason = outcome.error.message
            self._house.audit.record(AuditKind.PLUGIN_REFUSED, plugin=self.plugin.id, reason=reason)
            raise refused(self.plugin, outcome.error) from outcome.error
        if _SERVICE not in self.plugin.roles:
            self._tasks.start(self._rest_when_idle(), name="idle")

    async def call(
        self,
        interface: str,
        function: str,
        arguments: Sequence[Any],
        *,
        timeout_s: float,
        instance: Instance,
    ) -> Any:
        """As `PluginHost.call`."""
        calls, plugin_id = self._house.metrics.plugin_calls, self.plugin.id
        try:
            value = await self._called(interface, function, arguments, timeout_s, instance)
        except GuestError:
            calls.labels(plugin_id, "error").inc()
            raise
        except GuestTrap as trap:
            calls.labels(plugin_id, trap.kind).inc()
            _log.warning(
                "plugin stopped", plugin=plugin_id, call=f"{interface}.{function}", why=trap.text
            )
            raise
        except PluginUnavailable:
            calls.labels(plugin_id, "unavailable").inc()
            raise
        calls.labels(plugin_id, "ok").inc()
        return value

    async def close(self, drain_s: float) -> None:
        """Take no more calls, let the accepted ones end for `drain_s` seconds, end the worker."""
        if self._phase is RunPhase.STOPPED:
            return
        self._enter(RunPhase.STOPPING, "")
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_s), self._turn:
                pass
        self._phase = RunPhase.STOPPED
        worker = self._drop()
        if worker is not None:
            await worker.end()
        await self._tasks.close()  # a call that outlived the drain is told that it was cut off
        self._house.on_change(self.plugin.id)

    # the way of a call

    async def _called(
        self,
        interface: str,
        function: str,
        arguments: Sequence[Any],
        timeout_s: float,
        instance: Instance,
    ) -> Any:
        generation = self._generation if instance == _SERVICE else None
        await self._take_turn(timeout_s)
        serving = self._serve(interface, function, arguments, timeout_s, generation)
        work = self._tasks.start(serving, name="call")
        work.add_done_callback(lambda _: self._turn.release())
        outcome = await self._finished(asyncio.shield(work))
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    async def _finished(self, work: asyncio.Future[_Outcome]) -> _Outcome:
        """What became of our own work, also if it ended because we are being closed."""
        try:
            return await work
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if self._phase is RunPhase.STOPPED and me is not None and not me.cancelling():
                text = f"the plugin {self.plugin.id} was stopped meanwhile"
                return _Outcome(error=GuestTrap("lost", text))
            raise

    async def _take_turn(self, timeout_s: float) -> None:
        self._need_service()
        if self._waiting >= self.plugin.limits.max_waiting:
            raise busy(self.plugin, f"{self._waiting} calls wait for it already")
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._turn.acquire()
        except TimeoutError:
            raise busy(self.plugin, f"others had it for {timeout_s:g} s") from None
        finally:
            self._waiting -= 1
        if self._phase is RunPhase.STOPPED:
            self._turn.release()
            raise stopped(self.plugin)

    async def _serve(
        self,
        interface: str,
        function: str,
        arguments: Sequence[Any],
        timeout_s: float,
        generation: int | None,
    ) -> _Outcome:
        """One call, with the turn in hand; to the instance of that generation, or a fresh one."""
        instance: Instance = "fresh" if generation is None else "service"
        try:
            while True:
                worker = await self._ready(timeout_s)
                if generation not in {None, self._generation}:
                    raise begun_anew(self.plugin)
                call = worker.call(
                    interface, function, arguments, timeout_s=timeout_s, instance=instance
                )
                with suppress(NotTaken):  # it was dead already, and the next one gets the call
                    return _Outcome(await self._asked(worker, call))
        except GuestTrap as trap:
            if generation == self._generation:  # else the whole worker is gone, and that is known
                self._generation = next(self._generations)
            return _Outcome(error=trap)
        except (GuestError, PluginUnavailable) as error:
            return _Outcome(error=error)

    async def _asked(self, worker: Worker, call: Awaitable[Any]) -> Any:
        """What the worker answers; one that is lost over it is noticed before anybody is told."""
        with self._house.metrics.plugin_call_seconds.labels(self.plugin.id).time():
            try:
                return await call
            finally:
                self._used_s = self._house.clock.monotonic()
                if not worker.is_alive:
                    self._lost(worker, await worker.ended())

    async def _ready(self, patience_s: float) -> Worker:
        """The worker, started if there is none; the turn must be held."""
        worker = self._worker
        if worker is not None:
            if worker.is_alive:
                return worker
            self._lost(worker, await worker.ended())
        self._need_service()
        pause_s = self._pause_s()
        if pause_s > patience_s:
            raise resting(self.plugin, self._reason, self._pause_s())
        if pause_s > 0.0:
            await self._house.clock.sleep(pause_s)
        try:
            return await self._launch()
        except (GuestError, GuestTrap, PluginUnavailable) as error:
            self._need_service()
            self._failed(f"it did not start again: {error.message}")
            raise resting(self.plugin, self._reason, self._pause_s()) from error

    # the life of a worker

    async def _first(self) -> _Outcome:
        try:
            async with self._turn:
                await self._launch()
        except (GuestError, GuestTrap, PluginUnavailable) as error:
            return _Outcome(error=error)
        return _Outcome()

    async def _launch(self) -> Worker:
        try:
            worker = await self._spawn(anew=False)
        except GuestError as error:
            if error.code != _INVALID:
                raise
            # Compiled for a machine that this no longer is, which its name did not say.
            worker = await self._spawn(anew=True)
        if self._phase in _ENDING:
            await worker.end()
            raise stopped(self.plugin)
        self._worker = worker
        self._house.metrics.plugin_workers.inc()
        self._used_s = self._house.clock.monotonic()
        self._tasks.start(self._watch(worker), name="watch")
        self._enter(RunPhase.RUNNING, "")
        return worker

    async def _spawn(self, *, anew: bool) -> Worker:
        with await self._house.artifacts.artifact(self.plugin, anew=anew) as artifact:
            return await Worker.start(
                self.plugin,
                artifact.fd,
                self._questions,
                tasks=self._tasks,
                timeout_s=_START_TIMEOUT_S,
                command=self._house.command,
            )

    async def _watch(self, worker: Worker) -> None:
        """Notice the end of a worker that nobody was calling; let go of it in any case."""
        try:
            self._lost(worker, await worker.ended())
        finally:
            await worker.end()

    def _drop(self) -> Worker | None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._generation = next(self._generations)
            self._house.metrics.plugin_workers.dec()
        return worker

    def _lost(self, worker: Worker, why: str) -> None:
        """A worker has ended that should not have; told only once for each."""
        if self._worker is not worker:
            return
        self._drop()
        self._restarts += 1
        self._house.metrics.plugin_restarts.labels(self.plugin.id).inc()
        self._failed(why)

    def _failed(self, why: str) -> None:
        """There is no worker, for a bad reason: decide when there may be one again."""
        house = self._house
        house.audit.record(AuditKind.PLUGIN_LOST, plugin=self.plugin.id, reason=why)
        now_s = house.clock.monotonic()
        verdict = self._crashes.crashed(now_s)
        if isinstance(verdict, Restart):
            pause_s = verdict.delay_s
            phase, reason = RunPhase.RESTARTING, why
        else:
            pause_s = verdict.for_s
            phase = RunPhase.QUARANTINED
            again = house.clock.now() + timedelta(seconds=pause_s)
            reason = quarantined(self.plugin, why, verdict.crashes, house.rules, again=again)
            house.audit.record(AuditKind.PLUGIN_QUARANTINED, plugin=self.plugin.id, reason=reason)
        _log.warning("plugin lost its process", plugin=self.plugin.id, why=reason)
        self._not_before_s = now_s + pause_s
        self._failures += 1
        if self._phase not in _ENDING:
            self._enter(phase, reason)
            self._tasks.start(self._revive(self._failures, pause_s), name="revive")

    async def _revive(self, failure: int, pause_s: float) -> None:
        """Start again after a pause, if no call has done so, well or badly, by then."""
        await self._house.clock.sleep(pause_s)
        async with self._turn:
            if self._worker is not None or self._failures != failure:
                return
            if self._phase is RunPhase.QUARANTINED:
                self._enter(RunPhase.RESTARTING, self._reason)
            with suppress(PluginUnavailable):  # it is in the log, and the next try is planned
                await self._ready(_EARLY_S)

    async def _rest_when_idle(self) -> None:
        house = self._house
        while True:
            unused_s = house.clock.monotonic() - self._used_s
            if unused_s < house.idle_stop_s or self._turn.locked():
                await house.clock.sleep(max(1.0, house.idle_stop_s - unused_s))
                continue
            async with self._turn:
                worker = self._drop() if self._phase is RunPhase.RUNNING else None
                if worker is not None:
                    self._enter(RunPhase.IDLE, "")
                    await worker.end()
            await house.clock.sleep(house.idle_stop_s)

    def _enter(self, phase: RunPhase, reason: str) -> None:
        self._phase, self._reason = phase, reason
        self._house.on_change(self.plugin.id)

    def _pause_s(self) -> float:
        return max(0.0, self._not_before_s - self._house.clock.monotonic())

    def _need_service(self) -> None:
        if self._phase in _ENDING:
            raise stopped(self.plugin)
        if self._phase is RunPhase.QUARANTINED:
            raise resting(self.plugin, self._reason, self._pause_s())


def _report(name: str, error: BaseException) -> None:
    _log.error("background task died", task=name, exc_info=error)
