"""The one call that runs, and the clock that ends it.

The guest's thread begins and ends calls, the main thread lets time pass; a lock keeps a late
alarm from stopping the next call. There is no ticking: the epoch moves once, when a deadline
passes.
"""

from __future__ import annotations

import codecs
import threading
import time
from collections.abc import Callable
from typing import Final

from wasmtime import Engine, Store

from carapace.plugins.errors import GuestTrap
from carapace.plugins.frames import WorkerLimits

__all__ = ["Deadline", "Pollables", "RunningCall"]

_FLUSH_BYTES: Final = 4096
_TAIL_CHARS: Final = 2000
_MAX_POLLABLES: Final = 1024


class Pollables:
    """Moments that one instance may wait for, by handle."""

    def __init__(self) -> None:
        self._due_s: dict[int, float] = {}
        self._last = 0

    def add(self, due_s: float) -> int:
        """A handle of this moment of the monotonic clock.

        Raises:
            GuestTrap: `memory`, if the guest holds too many.
        """
        if len(self._due_s) >= _MAX_POLLABLES:
            raise GuestTrap("memory", f"it holds more than {_MAX_POLLABLES} things to wait for")
        self._last += 1
        self._due_s[self._last] = due_s
        return self._last

    def due_s(self, handle: int) -> float:
        """The moment, which has passed if nobody knows it."""
        return self._due_s.get(handle, 0.0)

    def drop(self, handle: int) -> None:
        """The guest let go of it."""
        self._due_s.pop(handle, None)


class RunningCall:
    """What the functions of ours need to know while a guest runs.

    Attributes:
        id: The gateway's number of the call.
        deadline_s: Moment of the monotonic clock at which it must be over.
        value_bytes: How much the guest may hand over at once.
        pollables: Of the instance that runs.
        stopped: Why a function of ours refused to go on; the library keeps only a text.
    """

    def __init__(
        self,
        call_id: int,
        deadline_s: float,
        *,
        limits: WorkerLimits,
        write: Callable[[str], None],
    ) -> None:
        self.id = call_id
        self.deadline_s = deadline_s
        self.value_bytes = limits.value_bytes
        self.pollables = Pollables()
        self.stopped: GuestTrap | None = None
        self._output_left = limits.output_bytes
        self._write = write
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._tail = ""

    def left_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline_s - time.monotonic()

    def print(self, data: bytes) -> None:
        """Take what the guest printed.

        Raises:
            GuestTrap: `output`, if that was too much.
        """
        taken = data[: max(self._output_left, 0)]
        self._output_left -= len(data)
        self._held += self._text.decode(taken)
        if len(self._held) >= _FLUSH_BYTES:
            self.flush()
        if self._output_left < 0:
            raise GuestTrap("output", "it printed more than a call may")

    def flush(self) -> None:
        """Send what was printed since the last time."""
        if self._held:
            self._write(self._held)
            self._tail = (self._tail + self._held)[-_TAIL_CHARS:]
            self._held = ""

    def printed(self) -> str:
        """The end of what it printed."""
        return self._tail + self._held

    def wait_until(self, due_s: float) -> None:
        """Sleep, never longer than the call may take.

        Raises:
            GuestTrap: `deadline`, if that comes first.
        """
        self.flush()
        delay_s = min(due_s, self.deadline_s) - time.monotonic()
        if delay_s > 0:
            threading.Event().wait(delay_s)
        if due_s > self.deadline_s:
            raise GuestTrap("deadline", "it slept until its time was over")


class Deadline:
    """Stops the guest when the time of its call is over."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._at_s: float | None = None

    def begin(self, at_s: float, store: Store) -> None:
        """A call begins; on the guest's thread, before anything of the guest runs.

        Raises:
            GuestTrap: `deadline`, if it is over already.
        """
        with self._lock:
            if time.monotonic() >= at_s:
                raise GuestTrap("deadline", "its time was over before it could begin")
            store.set_epoch_deadline(1)
            self._at_s = at_s

    def end(self) -> None:
        """The call is over."""
        with self._lock:
            self._at_s = None

    def pass_time(self) -> None:
        """Stop the running call if its time is over; on the main thread."""
        with self._lock:
            if self._at_s is not None and time.monotonic() >= self._at_s:
                self._engine.increment_epoch()
                self._at_s = None
