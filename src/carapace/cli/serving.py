"""Running the gateway in this process: in the foreground, or in a thread beside a chat.

The chat needs the main thread (only there does Ctrl-C reach a prompt), so beside it the
gateway gets a thread with a loop of its own. Both ways one signal stops it in order, and a
second one ends the process at once: everything that counts is on disk already.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

from carapace.cli.trouble import INTERRUPTED, Trouble

__all__ = ["GatewayThread", "OnReady", "RunGateway", "run_in_foreground"]

OnReady = Callable[[dict[str, Any]], None]
"""Told once, when the gateway listens, what a program needs to know (`port`, ...)."""

RunGateway = Callable[[OnReady, asyncio.Event], Coroutine[Any, Any, None]]
"""Runs until the event is set and everything has stopped; leaves signals alone."""

_STOP_S: Final = 15.0
# While a thread of the database is at work the loop has to ask for the interpreter, and waits up
# to so long for the answer; Python's 5 ms is most of what a message costs altogether (ADR 0441).
_SWITCH_INTERVAL_S: Final = 0.0005
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run_in_foreground(run: RunGateway, on_ready: OnReady) -> None:
    """Run until SIGTERM or Ctrl-C, and then until the gateway has stopped."""

    async def serve() -> None:
        stop = asyncio.Event()

        def on_signal() -> None:
            if stop.is_set():
                os._exit(INTERRUPTED)
            stop.set()

        def settled(ready: dict[str, Any]) -> None:
            # What is here now stays until the end. Each full collection would walk all of it,
            # and nobody is served for those tens of milliseconds.
            gc.freeze()
            on_ready(ready)

        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)
        try:
            await run(settled, stop)
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve())


class GatewayThread:
    """The gateway in a thread; `start` returns when it listens.

    Args:
        run: The gateway.
    """

    def __init__(self, run: RunGateway) -> None:
        self._run = run
        self._settled = threading.Event()
        self._ready: dict[str, Any] | None = None
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._main, name="gateway")

    def start(self) -> dict[str, Any]:
        """Start, and wait until it listens.

        Raises:
            BaseException: Whatever kept it from starting.
        """
        self._thread.start()
        try:
            self._settled.wait()
        except KeyboardInterrupt:
            self.stop()
            raise
        if self._ready is None:
            self._thread.join()
            raise self._error or Trouble("The gateway ended before it listened.")
        return self._ready

    def stop(self) -> None:
        """Stop in order, and wait for it.

        Raises:
            Trouble: If it does not end in time.
            BaseException: Whatever went wrong while it ran.
        """
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            raise Trouble(f"The gateway did not stop within {_STOP_S:g} s.")
        if self._error is not None:
            raise self._error

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - carried over to the main thread
            self._error = error
        finally:
            self._settled.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self._run(self._on_ready, self._stop)

    def _on_ready(self, ready: dict[str, Any]) -> None:
        self._ready = ready
        self._settled.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """That of uvloop where it is installed (the `speed` extra), else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return uvloop.new_event_loop
