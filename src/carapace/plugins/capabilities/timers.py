"""`timers`: one-shot alarms that outlive restarts, brought to the service at least once."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from carapace.clock import Clock
from carapace.ids import new_id
from carapace.plugins.capabilities import timer_records as records
from carapace.plugins.capabilities.bell import Bell
from carapace.plugins.capabilities.bringing import MAX_BREAKS, Brought, bring, pause_s
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.ports import ServiceEvents
from carapace.plugins.capabilities.timer_records import Alarm
from carapace.store.ports import Database
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["MAX_TIMERS", "TimersCapability"]

_log = get_logger(__name__)

MAX_TIMERS: Final = 1_000
_LONGEST_SLEEP_S: Final = 60.0
"""The wall clock may be set, or the machine sleep: look again at least this often."""
_STORE_PAUSE_S: Final = 5.0

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Payload = Annotated[str, msgspec.Meta(max_length=65_536)]
_AtMs = Annotated[float, msgspec.Meta(ge=0, le=2**53)]


class TimersCapability:
    """Keeps a plugin's alarms and rings them while its service runs.

    Args:
        plugin_id: Whose.
        database: Where they are.
        clock: The time.
        events: The service.
    """

    def __init__(
        self, plugin_id: str, database: Database, *, clock: Clock, events: ServiceEvents
    ) -> None:
        self._plugin_id = plugin_id
        self._database = database
        self._clock = clock
        self._events = events
        self._tasks = Tasks(f"timers of plugin {plugin_id}", _report)
        self._bell = Bell(clock, self._tasks)
        self._is_running = False
        self._absent = 0
        self.call = Dispatch(
            "timers",
            {
                "set": Operation(tuple[_Name, _AtMs, _Payload], self._set),
                "cancel": Operation(tuple[_Name], self._cancel),
            },
        )

    async def resume(self) -> None:
        """Ring from now on, also what was set before a restart."""
        if not self._is_running:
            self._is_running = True
            self._tasks.start(self._run(), name="run")

    async def aclose(self) -> None:
        """Ring no more; what is set stays set."""
        await self._tasks.close()

    async def _set(self, name: str, at_ms: float, payload: str) -> None:
        alarm = Alarm(name, round(at_ms), payload, new_id())
        is_set = await self._database.write(
            lambda tx: records.put(tx, self._plugin_id, alarm, max_count=MAX_TIMERS)
        )
        if not is_set:
            raise guest_error(Code.QUOTA, f"{MAX_TIMERS} timers are set already: cancel some first")
        self._bell.ring()

    async def _cancel(self, name: str) -> bool:
        return await self._database.write(lambda tx: records.remove(tx, self._plugin_id, name))

    async def _run(self) -> None:
        while True:
            try:
                wait_s = await self._step()
            except Exception as error:  # noqa: BLE001 - alarms must outlive a sick disk
                _log.warning(
                    "timers wait for the database",
                    plugin=self._plugin_id,
                    reason=f"{type(error).__name__}: {error}",
                )
                wait_s = _STORE_PAUSE_S
            if wait_s != 0:
                await self._bell.wait(wait_s)

    async def _step(self) -> float | None:
        """Ring what is due; how long to wait then, None if nothing is set."""
        alarm = await self._database.read(lambda tx: records.first(tx, self._plugin_id))
        if alarm is None:
            return None
        left_s = (alarm.at_ms - self._clock.now_ms()) / 1000
        if left_s > 0:
            return min(left_s, _LONGEST_SLEEP_S)
        outcome = await bring(
            self._events.on_timer(alarm.name, alarm.payload),
            plugin_id=self._plugin_id,
            what=f"timer {alarm.name}",
        )
        if outcome is Brought.ABSENT:
            self._absent += 1
            return pause_s(self._absent)
        self._absent = 0
        await self._mark(alarm, outcome)
        return 0.0

    async def _mark(self, alarm: Alarm, outcome: Brought) -> None:
        failures = alarm.failures + 1
        if outcome is Brought.BROKEN and failures < MAX_BREAKS:
            at_ms = self._clock.now_ms() + round(1000 * pause_s(failures))
            await self._database.write(
                lambda tx: records.postpone(tx, self._plugin_id, alarm, at_ms=at_ms)
            )
            return
        if outcome is Brought.BROKEN:
            _log.error(
                "a timer was dropped: the plugin breaks on it",
                plugin=self._plugin_id,
                timer=alarm.name,
                failures=failures,
            )
        await self._database.write(lambda tx: records.taken(tx, self._plugin_id, alarm))


def _report(task: str, error: BaseException) -> None:
    _log.error("a plugin's timers do not ring any more", task=task, exc_info=error)
