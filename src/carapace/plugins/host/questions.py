"""Answers what a guest asks the gateway while it runs: budget, capability, error."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from carapace.clock import Clock
from carapace.plugins.errors import GuestError
from carapace.plugins.frames import Answer, Fault, FrameError, HostCall
from carapace.plugins.host.limits import SILENT, RateLimits
from carapace.plugins.ports import LoadedPlugin
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = ["Questions"]

_log = get_logger(__name__)
_MUTE_FUNCTIONS: Final = frozenset({("credentials", "names")})
_LOG_INTERFACE: Final = "log"


class Questions:
    """The door through which one plugin asks.

    Args:
        plugin: Its grants, capabilities and rates.
        clock: For the budgets.
        metrics: Counts what is asked.
    """

    def __init__(self, plugin: LoadedPlugin, *, clock: Clock, metrics: Metrics) -> None:
        self._plugin = plugin
        self._clock = clock
        self._metrics = metrics
        self._limits = RateLimits(plugin.limits.rates, clock.monotonic())
        self._dropped = 0

    async def answer(self, asked: HostCall, deadline_s: float) -> Answer | None:
        """What the guest is told; None if its time is over before there is an answer.

        Args:
            asked: A frame of the worker; not to be trusted.
            deadline_s: Of the call it belongs to, in the event loop's time.

        Raises:
            FrameError: If the plugin may not import that interface at all: the worker lets no
                such question through, so it is a worker no longer.
        """
        if asked.interface not in self._plugin.grants.interfaces:
            raise FrameError(f"it asked for {asked.interface[:40]!r}, which was not granted")
        answer, outcome = None, "late"
        with suppress(TimeoutError):  # what a capability raises never gets here
            async with asyncio.timeout_at(deadline_s):
                answer, outcome = await self._ask(asked)
        self._metrics.plugin_host_calls.labels(self._plugin.id, asked.interface, outcome).inc()
        return answer

    def printed(self, text: str) -> None:
        """The guest wrote to its standard output."""
        if self._limits.take(_LOG_INTERFACE, self._clock.monotonic()):
            self._dropped += 1
            return
        self._tell_dropped()
        _log.info("plugin printed", plugin=self._plugin.id, text=text)

    async def _ask(self, asked: HostCall) -> tuple[Answer, str]:
        wait_s = self._limits.take(asked.interface, self._clock.monotonic())
        if wait_s and asked.interface == _LOG_INTERFACE:
            self._dropped += 1
            return Answer(asked.id), "limited"
        if wait_s and _is_mute(asked):
            # There is no error to give, and a wrong value would be worse than a late one.
            while wait_s:
                await self._clock.sleep(wait_s)
                wait_s = self._limits.take(asked.interface, self._clock.monotonic())
        if wait_s:
            return Answer(asked.id, err=_too_often(asked, wait_s)), "limited"
        if asked.interface == _LOG_INTERFACE:
            self._tell_dropped()
        return await self._call(asked)

    async def _call(self, asked: HostCall) -> tuple[Answer, str]:
        try:
            value: Any = await self._plugin.capabilities[asked.interface](
                asked.function, asked.arguments
            )
        except GuestError as error:
            return Answer(asked.id, err=Fault.of(error)), "error"
        except Exception:  # noqa: BLE001 - the guest waits for an answer, whatever broke
            # Its text may hold anything, a secret too: it stays on this side.
            _log.exception(
                "a capability broke",
                plugin=self._plugin.id,
                interface=asked.interface,
                function=asked.function[:40],
            )
            return Answer(asked.id, err=_broken(asked)), "failed"
        return Answer(asked.id, value), "ok"

    def _tell_dropped(self) -> None:
        if self._dropped:
            count, self._dropped = self._dropped, 0
            _log.warning("plugin logs too much", plugin=self._plugin.id, dropped=count)


def _is_mute(asked: HostCall) -> bool:
    """Whether the contract has no error arm for it."""
    return asked.interface in SILENT or (asked.interface, asked.function) in _MUTE_FUNCTIONS


def _too_often(asked: HostCall, wait_s: float) -> Fault:
    return Fault(
        "rate-limited",
        f"{asked.interface} was asked for too often: wait, then try again",
        retryable=True,
        retry_after_ms=max(1, round(wait_s * 1000)),
    )


def _broken(asked: HostCall) -> Fault:
    return Fault("internal", f"{asked.interface} failed in the gateway; its log says how")
