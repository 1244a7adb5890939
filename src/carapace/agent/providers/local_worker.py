"""The process that holds the embedded model: `python -m carapace.agent.providers.local_worker`.

It is apart from the gateway so that a native crash or a lack of memory costs one answer, so
that its memory goes back to the system when it stops, and so that it can be confined. It ends
when its standard input ends.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from carapace.agent.providers.local_engine import Engine, LlamaEngine
from carapace.agent.providers.local_wire import (
    MAX_LINE_BYTES,
    Cancel,
    Delta,
    Fault,
    FromWorker,
    Generate,
    Ready,
    Start,
    ToWorker,
    decode_to_worker,
    encode,
)
from carapace.confine import confine

__all__ = ["main", "serve"]


class _Inbox:
    """Commands as they come in, read by a thread of its own so that a cancel is seen at once.

    Args:
        lines: The pipe.
        on_end: Called when it ends or makes no sense.
    """

    def __init__(self, lines: BinaryIO, on_end: Callable[[], None]) -> None:
        self._lines = lines
        self._on_end = on_end
        self._queue: queue.Queue[Start | Generate | None] = queue.Queue(maxsize=4)
        self._cancelled: set[int] = set()
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def next(self) -> Start | Generate | None:
        """The next thing to do, None at the end."""
        return self._queue.get()

    def is_cancelled(self, answer_id: int) -> bool:
        """Whether this answer is no longer wanted."""
        return answer_id in self._cancelled

    def forget(self, answer_id: int) -> None:
        """This answer has ended."""
        self._cancelled.discard(answer_id)

    def _read(self) -> None:
        while (message := self._next_line()) is not None:
            if isinstance(message, Cancel):
                self._cancelled.add(message.id)
            else:
                self._queue.put(message)
        self._on_end()
        self._queue.put(None)

    def _next_line(self) -> ToWorker | None:
        line = self._lines.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            return None
        try:
            return decode_to_worker(line)
        except msgspec.DecodeError:
            return None


def serve(
    lines: BinaryIO,
    out: BinaryIO,
    load: Callable[[Start], Engine],
    *,
    on_end: Callable[[], None] = lambda: None,
) -> None:
    """Load a model, then answer until `lines` ends.

    Args:
        lines: Messages of the gateway.
        out: Messages to it.
        load: Makes the engine.
        on_end: Called from another thread as soon as `lines` ends, even amid an answer.
    """

    def send(message: FromWorker) -> None:
        out.write(encode(message))
        out.flush()

    inbox = _Inbox(lines, on_end)
    start = inbox.next()
    if not isinstance(start, Start):
        return
    engine = _load(start, load, send)
    while engine is not None and isinstance(request := inbox.next(), Generate):
        _answer(engine, request, inbox, send)


def _load(
    start: Start, load: Callable[[Start], Engine], send: Callable[[FromWorker], None]
) -> Engine | None:
    began = time.monotonic()
    try:
        engine = load(start)
    except ImportError as error:
        send(Fault(None, "engine", str(error)))
        return None
    except Exception as error:  # noqa: BLE001 - whatever native code raises, the gateway must hear it
        send(Fault(None, "load", str(error)))
        return None
    send(Ready(load_ms=round((time.monotonic() - began) * 1000)))
    return engine


def _answer(
    engine: Engine, request: Generate, inbox: _Inbox, send: Callable[[FromWorker], None]
) -> None:
    try:
        result = engine.generate(
            request,
            lambda text: send(Delta(request.id, text)),
            lambda: inbox.is_cancelled(request.id),
        )
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever native code raises, the gateway must hear it
        result = Fault(request.id, "broken", str(error))
    inbox.forget(request.id)
    send(result)


def main() -> None:
    """Confine the process, take over its pipes and serve."""
    confine(parent_pid=int(sys.argv[1]))
    # Native code prints to standard output as it likes; our pipe must not be that.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        # A generation cannot be interrupted from Python, so the end of input ends the process.
        serve(sys.stdin.buffer, out, LlamaEngine, on_end=lambda: os._exit(0))
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
