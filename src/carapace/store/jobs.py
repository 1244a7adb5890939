"""A function waiting for a database thread, and how its result gets back to the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from carapace.store.ports import Tx

__all__ = ["Job", "deliver"]


class Job:
    """One function, the future its caller awaits, and what came out.

    Created and delivered on the loop; `run` is the only part a database thread calls.
    """

    __slots__ = ("error", "fn", "future", "result")

    def __init__(self, fn: Callable[[Tx], Any], future: asyncio.Future[Any]) -> None:
        self.fn = fn
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    @property
    def name(self) -> str:
        """The function's name, for logs."""
        return getattr(self.fn, "__qualname__", type(self.fn).__name__)

    @property
    def is_abandoned(self) -> bool:
        """Whether its caller was cancelled before it began (read without a lock: one flag)."""
        return self.future.cancelled()


def deliver(loop: asyncio.AbstractEventLoop, jobs: Sequence[Job]) -> None:
    """Hand all results to their callers with one wake-up of the loop.

    A loop that is already closed has no callers left; their results are dropped.
    """
    if loop.is_closed():
        return
    try:
        loop.call_soon_threadsafe(_settle, jobs)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if isinstance(job.error, StopIteration):
            # A future cannot carry this one; it always is a mistake in the function.
            job.future.set_exception(RuntimeError(f"{job.name} raised StopIteration"))
        elif job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
