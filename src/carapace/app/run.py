"""A gateway as long as an event says, made anew in this process whenever it asks for that.

A restart keeps the process: whoever supervises it sees nothing, the chat in its terminal lives on,
and no module is loaded again. SIGUSR1 asks for one, as it does of the Node gateway; the signals
that end the process are the caller's business.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import msgspec

from carapace.app.gateway import Gateway
from carapace.app.options import UpOptions
from carapace.app.restarts import RESTART_EXPECTED_MS
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["run_gateway"]

_log = get_logger(__name__)
_RESTARTING = "gateway restarting"


async def run_gateway(
    options: UpOptions, *, on_ready: Callable[[dict[str, Any]], None], stop: asyncio.Event
) -> None:
    """Start a gateway, run it and those that follow it until `stop` is set, and end in order.

    Args:
        options: The flags.
        on_ready: Told once, when the first one listens; see `carapace.app.options.Ready`.
        stop: Ends it.

    Raises:
        GatewayError: If one cannot start.
    """
    with _signalled() as again:
        if await _run_one(options, on_ready, stop=stop, again=again):
            while await _run_one(options, _settle, stop=stop, again=again):
                pass


async def _run_one(
    options: UpOptions,
    on_ready: Callable[[dict[str, Any]], None],
    *,
    stop: asyncio.Event,
    again: asyncio.Event,
) -> bool:
    """One gateway from start to stop; whether another shall follow."""
    gateway = Gateway(options)
    ready = await gateway.start()
    is_restart = False
    try:
        on_ready(msgspec.to_builtins(ready))
        await _first(stop.wait, again.wait, gateway.until_restart)
        again.clear()
        is_restart = not stop.is_set()
    finally:
        if is_restart:
            await gateway.stop(_RESTARTING, RESTART_EXPECTED_MS)
        else:
            await gateway.stop()
    return is_restart


async def _first(*waits: Callable[[], Awaitable[object]]) -> None:
    """Wait until the first of them returns."""
    told, tasks = asyncio.Event(), Tasks("run", _report)

    async def pass_on(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        told.set()

    try:
        for wait in waits:
            tasks.start(pass_on(wait), name="wait")
        await told.wait()
    finally:
        await tasks.close()


@contextmanager
def _signalled() -> Generator[asyncio.Event]:
    """An event that SIGUSR1 sets, where this thread may listen to signals."""
    told = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, told.set)
    try:
        yield told
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


def _settle(_ready: dict[str, Any]) -> None:
    """The gateway before this one was kept from the garbage collector; this one is kept now."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _report(name: str, error: BaseException) -> None:
    _log.error("waiting ended", task=name, exc_info=error)
