"""Signals at a prompt, so that they are heard even when they come at the worst moment.

Python runs a handler only when the main thread gets back to it. A SIGTERM or Ctrl-C that
arrives after the prompt is shown and before the wait for a key begins would lie until the
next key: so a thread that hears of it at once interrupts that wait.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["leaving_on_sigterm"]

_WAITS_S: Final = (0.05, 0.2, 1.0)
"""More than once, as an interruption may come too early like the signal itself."""
_HEARD: Final = frozenset({signal.SIGINT, signal.SIGTERM})


@contextmanager
def leaving_on_sigterm() -> Generator[None]:
    """Let the first SIGTERM raise SystemExit(0) in the main thread, whatever it waits for.

    What follows the block's `finally` clauses is not disturbed by a second one.
    """
    is_heard = threading.Event()

    def leave(_number: int, _frame: FrameType | None) -> None:
        if not is_heard.is_set():
            is_heard.set()
            raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        if hasattr(signal, "pthread_kill"):
            with _waker():
                yield
        else:
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _waker() -> Generator[None]:
    """The thread; the C half of signal handling writes each signal's number into its pipe."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    fd_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    poke_before = signal.signal(signal.SIGUSR2, _interrupt_only)
    main, is_over = threading.get_ident(), threading.Event()

    def wake() -> None:
        while number := os.read(reader, 1):
            for wait_s in _WAITS_S if number[0] in _HEARD else ():
                if not is_over.wait(wait_s):
                    signal.pthread_kill(main, signal.SIGUSR2)

    thread = threading.Thread(target=wake, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        signal.set_wakeup_fd(fd_before)
        os.close(writer)  # ends the thread
        thread.join()
        os.close(reader)
        signal.signal(signal.SIGUSR2, poke_before)


def _interrupt_only(_number: int, _frame: FrameType | None) -> None:
    """That a signal came is all that was wanted: pending handlers run with it."""
