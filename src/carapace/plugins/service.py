"""The role `service`: the one instance of a plugin that lives on.

It is started, called about once a second, asked how it is, and started again when its memory is
gone. What the gateway holds for the plugin (alarms, long requests, connections) comes back to
this instance, and only while it runs: whoever brings it keeps it until it was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from carapace.clock import Clock
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import Guest, said
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["PluginService"]

TICK_S: Final = 1.0
HEALTH_EVERY_TICKS: Final = 30
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
_WELL_AFTER_TICKS: Final = 60
_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 1.5  # the house ends within ten seconds, whatever a guest does
_log = get_logger(__name__)


class PluginService:
    """Keeps the service of one plugin going.

    Args:
        guest: The plugin; it was started.
        clock: The time.
        on_change: Told when it begins or ceases to be well.
    """

    def __init__(
        self, guest: Guest, *, clock: Clock, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._guest = guest
        self._clock = clock
        self._on_change = on_change
        self._tasks = Tasks(f"service of plugin {guest.id}", _report)
        self._generation: int | None = None
        self._trouble: str | None = "it is starting"
        self._failures = 0

    def begin(self) -> None:
        """Start it and keep it going, in a task of its own."""
        self._tasks.start(self._run(), name="run")

    @property
    def is_running(self) -> bool:
        """Whether the instance was started and its memory is still there."""
        return self._generation is not None and self._generation == self._guest.generation

    def trouble(self) -> str | None:
        """Why it does not run or is not well, for people; None if it is."""
        return self._trouble

    async def on_timer(self, name: str, payload: str) -> None:
        """An alarm went off.

        Raises:
            PluginUnavailable: If the service does not run; bring it again later.
            GuestTrap: If it broke on it.
        """
        await self._bring("on-timer", name, payload)

    async def on_poll(self, name: str, answer: Any, payload: str) -> None:
        """The answer to a long request: `{"ok": response}` or `{"err": error}`; as `on_timer`."""
        await self._bring("on-poll", name, answer, payload)

    async def on_websocket(self, name: str, event: Any) -> None:
        """Something came over a connection: a `websocket-event`; as `on_timer`."""
        await self._bring("on-websocket", name, event)

    async def aclose(self) -> None:
        """Stop it; nothing is brought to it any more."""
        was_running = self.is_running
        self._generation = None
        await self._tasks.close()
        if not was_running:
            return
        try:
            await self._guest.call("service", "stop", timeout_s=_STOP_TIMEOUT_S, instance="service")
        except (GuestError, GuestTrap, PluginUnavailable) as error:
            _log.warning(
                "the service of a plugin did not stop in order",
                plugin=self._guest.id,
                why=said(str(error)),
            )

    async def _run(self) -> None:
        while True:
            if await self._start():
                await self._tick_until_lost()
            await self._clock.sleep(self._pause_s())

    async def _start(self) -> bool:
        """Start the instance; whether it runs."""
        try:
            await self._guest.call(
                "service", "start", timeout_s=_START_TIMEOUT_S, instance="service"
            )
        except (GuestError, GuestTrap, PluginUnavailable) as error:
            self._lost(f"it does not start: {said(str(error))}")
            return False
        self._generation = self._guest.generation
        self._say(None)
        return True

    async def _tick_until_lost(self) -> None:
        ticks = 0
        while self.is_running:
            await self._clock.sleep(TICK_S)
            if not self.is_running:
                break
            try:
                await self._tick(ticks)
            except GuestError as error:
                self._say(said(error.message))
            except PluginUnavailable as error:
                # Too busy for this second, or at rest; `generation` tells whether it was lost.
                _log.debug("a tick was left out", plugin=self._guest.id, why=said(str(error)))
            except GuestTrap as trap:
                self._lost(f"it broke ({trap.kind}): {said(trap.text)}")
                return
            ticks += 1
            if ticks == _WELL_AFTER_TICKS:
                self._failures = 0
        if self._generation is not None:  # else it broke on something that was brought to it
            self._lost("its process was lost")

    async def _tick(self, ticks: int) -> None:
        guest = self._guest
        await guest.call("service", "tick", float(self._clock.now_ms()), instance="service")
        if ticks % HEALTH_EVERY_TICKS == 0:
            told = await guest.call("service", "health", instance="service")
            self._say(said(told) or "it does not say why" if isinstance(told, str) else None)

    async def _bring(self, function: str, *arguments: Any) -> None:
        if not self.is_running:
            raise PluginUnavailable(f"the service of the plugin {self._guest.id} does not run")
        try:
            await self._guest.call("service", function, *arguments, instance="service")
        except GuestTrap as trap:
            self._lost(f"it broke ({trap.kind}): {said(trap.text)}")
            raise

    def _lost(self, why: str) -> None:
        """Its memory is gone: it has to be started again."""
        self._generation = None
        self._failures += 1
        _log.warning("the service of a plugin ended", plugin=self._guest.id, why=why)
        self._say(why)

    def _say(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_change()

    def _pause_s(self) -> float:
        return min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(max(self._failures - 1, 0), 30))


def _report(task: str, error: BaseException) -> None:
    _log.error("the service of a plugin is not kept going", task=task, exc_info=error)
