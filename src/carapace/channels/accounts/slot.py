"""One configured account: opened, opened again after a failure, closed when it is not wanted.

The slot outlives what is opened in it, so that a new opening waits until the old one has let go
of what both need (a path, a connection, a login).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from carapace.channels.accounts.door import InboundDoor, OutboundDoor
from carapace.channels.accounts.status import AccountStatus
from carapace.channels.ports import Account, Channel, Intake
from carapace.clock import Clock
from carapace.errors import GatewayError, Refused
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["AccountSlot"]

_log = get_logger(__name__)
_OPEN_TIMEOUT_S: Final = 60.0
_CLOSE_TIMEOUT_S: Final = 10.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0


class AccountSlot:
    """Keeps one account as it is wanted; `run` is its task.

    Args:
        channel: Opens it.
        name: Of the account.
        intake: Takes what happens there.
        clock: The time.
        tasks: Owns the alarm of a pause.
        on_change: Told when it begins or ends to run.
        luck: Random numbers of [0, 1): no two accounts ask a service again at one moment.
    """

    def __init__(
        self,
        channel: Channel,
        name: str,
        *,
        intake: Intake,
        clock: Clock,
        tasks: Tasks,
        on_change: Callable[[], None],
        luck: Callable[[], float] = random.random,
    ) -> None:
        self.status = AccountStatus(channel=channel.info.id, account=name)
        self._channel = channel
        self._name = name
        self._intake = intake
        self._clock = clock
        self._tasks = tasks
        self._on_change = on_change
        self._luck = luck
        self._wanted: Mapping[str, Any] | None = None
        self._door: InboundDoor | None = None
        self._account: OutboundDoor | None = None
        self._changed = asyncio.Event()
        self._failures = 0
        self._is_ended = False
        self._ended = asyncio.Event()

    @property
    def account(self) -> Account | None:
        """The account, while it runs."""
        return self._account if self._door is not None and self._door.is_open else None

    def want(self, settings: Mapping[str, Any] | None) -> None:
        """Run with these settings, or not at all; what runs otherwise is cut off at once."""
        if settings == self._wanted:
            return
        self._wanted = settings
        self._failures = self.status.failed_starts = 0
        if self._door is not None:
            self._door.shut()
        self.status.is_running = False
        if settings is None:
            self.status.last_error = None
        self._changed.set()

    def end(self) -> None:
        """Close it for good; `run` then returns."""
        self._is_ended = True
        self.want(None)
        self._changed.set()

    async def run(self) -> None:
        """Keep it as it is wanted, until `end`."""
        try:
            while not self._is_ended:
                self._changed.clear()
                await self._close()
                await self._pause(await self._open())
        finally:
            await self._close()
            self._ended.set()

    async def ended(self) -> None:
        """Wait until `run` has returned; opening and closing have their deadlines."""
        await self._ended.wait()

    async def _open(self) -> float | None:
        """Open what is wanted; the seconds after which to try again, None if not by itself."""
        if self._wanted is None:
            return None
        self._door = InboundDoor(self._intake, self.status, self._clock)
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                account = await self._channel.open(self._name, self._wanted, self._door)
        except Refused as refused:
            self._failed(refused.message)
            return self._next_pause_s() if refused.retryable else None
        except TimeoutError:
            self._failed(f"It did not start within {_OPEN_TIMEOUT_S:.0f} s; it is tried again.")
        except GatewayError as error:
            self._failed(error.message)
        except Exception as error:  # noqa: BLE001 - a channel may be a plugin's
            _log.error("an account could not be opened", **self._names(), exc_info=error)
            self._failed(f"It could not be started ({type(error).__name__}); it is tried again.")
        else:
            self._began(OutboundDoor(account, self._door, self.status, self._clock))
            return None
        return self._next_pause_s()

    def _began(self, account: OutboundDoor) -> None:
        self._account = account
        self._failures = self.status.failed_starts = 0
        if self._door is not None and not self._door.is_open:
            return  # not wanted any more; closed by the next round
        self.status.is_running = True
        self.status.last_start_at_ms = self._clock.now_ms()
        self.status.last_error = None
        _log.info("account runs", **self._names())
        self._on_change()

    def _failed(self, reason: str) -> None:
        if self._door is not None:
            self._door.shut()
        self._failures += 1
        self.status.failed_starts = self._failures
        self.status.last_error = reason
        _log.warning("account does not run", **self._names(), reason=reason)

    def _next_pause_s(self) -> float:
        longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 30))
        return longest * (0.5 + self._luck() / 2)

    async def _pause(self, delay_s: float | None) -> None:
        if delay_s is None:
            await self._changed.wait()
            return
        alarm = self._tasks.start(self._wake(delay_s), name=f"alarm of {self._name}")
        try:
            await self._changed.wait()
        finally:
            alarm.cancel()

    async def _wake(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._changed.set()

    async def _close(self) -> None:
        account, self._account = self._account, None
        if self._door is not None:
            self._door.shut()
        if account is None:
            return
        self.status.is_running = False
        self.status.last_stop_at_ms = self._clock.now_ms()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await account.aclose()
        except Exception as error:  # noqa: BLE001 - a channel may be a plugin's; it is shut anyway
            _log.error("an account did not close cleanly", **self._names(), exc_info=error)
        _log.info("account ended", **self._names())
        self._on_change()

    def _names(self) -> dict[str, str]:
        return {"channel": self.status.channel, "account": self._name}
