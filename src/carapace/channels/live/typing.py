"""Shows at the service that an answer is being written. Best effort: nothing waits for it.

Services forget the sign after some seconds, so it is given again while work goes on, and taken
back when that ends. A run that takes very long stops to look busy after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from carapace.channels.ports import Account
from carapace.channels.types import ChannelInfo, Target
from carapace.clock import Clock
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["Typing"]

_log = get_logger(__name__)
_REFRESH_S: Final = 4.0
_LONGEST_S: Final = 300.0
_CALL_TIMEOUT_S: Final = 5.0
_MAX_TARGETS: Final = 256


class Typing:
    """Who is seen typing where.

    Args:
        accounts: The running account of (channel, account), if there is one.
        infos: What a channel is and can.
        clock: Time between two signs.
        tasks: Owns the work.
    """

    def __init__(
        self,
        accounts: Callable[[str, str], Account | None],
        infos: Callable[[str], ChannelInfo | None],
        *,
        clock: Clock,
        tasks: Tasks,
    ) -> None:
        self._accounts = accounts
        self._infos = infos
        self._clock = clock
        self._tasks = tasks
        self._runs: dict[Target, set[str]] = {}
        self._shown: dict[Target, asyncio.Task[None]] = {}

    def start(self, run_id: str, target: Target) -> None:
        """A run works on an answer for `target`."""
        info = self._infos(target.channel)
        if info is None or not info.can_type:
            return
        if target not in self._runs and len(self._runs) >= _MAX_TARGETS:
            return
        self._runs.setdefault(target, set()).add(run_id)
        if target not in self._shown:
            self._shown[target] = self._tasks.start(self._show(target), name="typing")

    def stop(self, run_id: str, target: Target) -> None:
        """That run has ended, or waits for somebody."""
        runs = self._runs.get(target)
        if runs is None:
            return
        runs.discard(run_id)
        if runs:
            return
        del self._runs[target]
        self._shown.pop(target).cancel()
        self._tasks.start(self._set(target, is_on=False), name="typing ends")

    async def _show(self, target: Target) -> None:
        until_s = self._clock.monotonic() + _LONGEST_S
        while self._clock.monotonic() < until_s:
            await self._set(target, is_on=True)
            await self._clock.sleep(_REFRESH_S)
        await self._set(target, is_on=False)

    async def _set(self, target: Target, *, is_on: bool) -> None:
        account = self._accounts(target.channel, target.account)
        if account is None:
            return
        try:
            async with asyncio.timeout(_CALL_TIMEOUT_S):
                await account.set_typing(target, is_on=is_on)
        except Exception as error:  # noqa: BLE001 - a channel may be a plugin's, and it is a nicety
            _log.debug("typing was not shown", channel=target.channel, error=type(error).__name__)
