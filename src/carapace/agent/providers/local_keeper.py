"""Keeps the one process with the embedded model: starts it when asked, lets it go when idle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum

from carapace.agent.providers.local_backoff import Crashes
from carapace.agent.providers.local_process import WorkerDied, WorkerFault, WorkerProcess
from carapace.agent.providers.local_select import select
from carapace.agent.providers.local_wire import Start
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.weights.library import Library
from carapace.clock import Clock
from carapace.config.settings.models import EmbeddedSettings
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["LOAD_TIMEOUT_S", "LocalState", "OnState", "WorkerKeeper"]

LOAD_TIMEOUT_S = 180.0
_IDLE_CHECK_S = 15.0
log = get_logger(__name__)


class LocalState(StrEnum):
    """Where the embedded model is."""

    OFF = "off"  # no process, no memory
    LOADING = "loading"
    READY = "ready"


OnState = Callable[[LocalState, str], None]


class WorkerKeeper:
    """Owner of the child process. Its methods are called by whoever holds `lock`.

    Args:
        settings: Which model, how much context, how many threads, when to let go.
        library: Where the weights are.
        clock: For idleness and crashes.
        command: How the child is started.
        on_state: Told of each change of state, with the model's name.

    Attributes:
        lock: Held for the length of one answer.
        state: Where the model is.
    """

    def __init__(
        self,
        settings: EmbeddedSettings,
        library: Library,
        *,
        clock: Clock,
        command: Sequence[str],
        on_state: OnState,
    ) -> None:
        self._settings = settings
        self._library = library
        self._clock = clock
        self._command = command
        self._on_state = on_state
        self._tasks = Tasks("local", _report)
        self._worker: WorkerProcess | None = None
        self._name = ""
        self._idle_watch: asyncio.Task[None] | None = None
        self._used_s = clock.monotonic()
        self._crashes = Crashes()
        self.lock = asyncio.Lock()
        self.state = LocalState.OFF

    @property
    def pid(self) -> int | None:
        """The child's process id, None if there is none."""
        return self._worker.pid if self._worker is not None and self._worker.is_alive else None

    def apply(self, settings: EmbeddedSettings) -> None:
        """Take new settings; another model or context is loaded by the next `ready`."""
        self._settings = settings

    def used(self) -> None:
        """The child was of use until now."""
        self._used_s = self._clock.monotonic()

    def succeeded(self) -> None:
        """An answer came to its end: earlier crashes are forgotten."""
        self._crashes.clear()

    def crashed(self) -> None:
        """The child died; the next start may have to wait."""
        log.warning("embedded model stopped unexpectedly", model=self._name)
        worker, self._worker = self._worker, None
        if worker is not None:
            self._tasks.start(worker.close(), name="reap")
        self._crashes.add(self._clock.monotonic())
        self._tell(LocalState.OFF)

    async def ready(self, model: str) -> WorkerProcess:
        """The running child with the wanted model, started if need be; the caller has its turn.

        Raises:
            ProviderError: No weights, no engine, or it stopped too often.
        """
        name, message = select(model, self._settings, self._library)
        worker = self._worker
        if worker is not None and worker.is_alive and worker.start_message == message:
            return worker
        await self._let_go()
        if (wait_s := self._crashes.wait_s(self._clock.monotonic())) > 0:
            raise ProviderError(
                ProviderFault.UNREACHABLE,
                f"The embedded model stopped {self._crashes.count} times in a row; "
                f"it starts again in {wait_s:.0f} s.",
                retry_after_s=wait_s,
            )
        self._name = name
        self._tell(LocalState.LOADING)
        try:
            self._worker = await self._load(message)
        except BaseException:
            self._tell(LocalState.OFF)
            raise
        log.info("embedded model loaded", model=name, load_ms=self._worker.load_ms)
        self._tell(LocalState.READY)
        if self._idle_watch is None or self._idle_watch.done():
            self._idle_watch = self._tasks.start(self._watch_idleness(), name="idle")
        return self._worker

    async def _load(self, message: Start) -> WorkerProcess:
        try:
            return await WorkerProcess.start(
                self._command, message, tasks=self._tasks, load_timeout_s=LOAD_TIMEOUT_S
            )
        except WorkerFault as error:
            text = f"The embedded model cannot be loaded: {error.fault.message}"
            if error.fault.kind == "engine":
                text = (
                    "The engine of the embedded model is not installed. Install it with: "
                    'pip install "carapace-gateway[local]"'
                )
            raise ProviderError(ProviderFault.UNREACHABLE, text) from error
        except WorkerDied as error:
            self._crashes.add(self._clock.monotonic())
            raise ProviderError(
                ProviderFault.UNREACHABLE, f"The embedded model did not start ({error})."
            ) from error
        except OSError as error:
            raise ProviderError(
                ProviderFault.UNREACHABLE, f"The embedded model did not start: {error.strerror}."
            ) from error

    async def _watch_idleness(self) -> None:
        """Let the child go once nothing was asked for long enough."""
        while self._worker is not None:
            await self._clock.sleep(_IDLE_CHECK_S)
            limit_s = self._settings.idle_unload_minutes * 60
            is_idle = limit_s > 0 and self._clock.monotonic() - self._used_s >= limit_s
            if is_idle and not self.lock.locked():
                async with self.lock:
                    log.info("embedded model unloaded", idle_s=limit_s)
                    await self._let_go()

    async def _let_go(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()
            self._tell(LocalState.OFF)

    def _tell(self, state: LocalState) -> None:
        self.state = state
        self._on_state(state, self._name)

    async def close(self) -> None:
        """End the child for good."""
        await self._let_go()
        await self._tasks.close()


def _report(name: str, error: BaseException) -> None:
    log.error("task of the embedded model failed", task=name, reason=repr(error))
