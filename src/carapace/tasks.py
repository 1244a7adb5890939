"""Every task has an owner: the only place that starts one.

A service holds a `Tasks`, starts its background work through it and closes it when it
stops. What dies is reported to `on_error`, never lost; what is still running at close is
cancelled and awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Tasks"]


class Tasks:
    """The running tasks of one service.

    Args:
        owner: Prefix of every task's name, for dumps and logs.
        on_error: Called with the task's name and its exception; must not raise.
    """

    __slots__ = ("_closing", "_on_error", "_owner", "_running")

    def __init__(self, owner: str, on_error: Callable[[str, BaseException], None]) -> None:
        self._owner = owner
        self._on_error = on_error
        self._running: set[asyncio.Task[Any]] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `work` under this owner.

        Raises:
            RuntimeError: If the owner is closing; `work` is closed unrun.
        """
        if self._closing:
            work.close()
            raise RuntimeError(f"{self._owner} is closing, {name} was not started")
        task = asyncio.get_running_loop().create_task(work, name=f"{self._owner}:{name}")
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(task.get_name(), error)

    async def drain(self, deadline_s: float) -> bool:
        """Wait for all to end by themselves; False if some still ran after `deadline_s`."""
        if not self._running:
            return True
        _, pending = await asyncio.wait(set(self._running), timeout=deadline_s)
        return not pending

    async def close(self) -> None:
        """Cancel what runs and wait for it; nothing can be started afterwards."""
        self._closing = True
        me = asyncio.current_task()
        others = {task for task in self._running if task is not me}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)
