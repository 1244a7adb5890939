"""SIGTERM at a prompt, so that it is heard even when it comes at the worst moment.

Python runs a handler only when the main thread gets back to it. A signal that arrives after
the prompt is shown and before the wait for a key begins would lie until the next key: so a
thread that hears of it at once wakes the main thread until the handler has run.
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

_AGAIN_S: Final = 0.1


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
            with _waker(is_heard):
                yield
        else:
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _waker(is_heard: threading.Event) -> Generator[None]:
    """The thread; the C half of signal handling writes each signal's number into its pipe."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    main = threading.get_ident()

    def wake() -> None:
        while number := os.read(reader, 1):
            while number[0] == signal.SIGTERM and not is_heard.wait(_AGAIN_S):
                signal.pthread_kill(main, signal.SIGTERM)

    thread = threading.Thread(target=wake, name="sigterm", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        is_heard.set()
        os.close(writer)  # ends the thread
        thread.join(1)
        os.close(reader)
