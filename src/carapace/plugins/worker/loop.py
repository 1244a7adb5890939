"""The two threads of a worker: one reads the socket and watches the clock, one runs the guest.

The reading thread never waits for the guest, so a deadline passes on time whatever the guest
does. The guest's thread is the only one that writes. When the gateway goes away, or says `stop`,
the process ends at once.
"""

from __future__ import annotations

import heapq
import itertools
import os
import queue
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from wasmtime import Engine
from wasmtime import component as wc

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.frames import (
    Answer,
    Call,
    Fault,
    FrameError,
    FrameReader,
    FromWorker,
    HostCall,
    Load,
    Output,
    Result,
    Stop,
    ToWorker,
    Trap,
    decode_to_worker,
    frame,
)
from carapace.plugins.worker.guest import Guest
from carapace.plugins.worker.running import Deadline, RunningCall

__all__ = ["GuestThread", "Stream", "serve"]

_READ_BYTES: Final = 64 * 1024
_LOG: Final = "log"
_MAX_AHEAD: Final = 16
"""How many lines for the log may be on their way before the guest waits for one of them."""
_MAX_AHEAD_BYTES: Final = 4096
"""A longer line is waited for: those on their way fit into the socket, so writing never blocks."""
_LOOK_S: Final = 0.05
"""How often the clock is looked at while the guest has something to do."""
_SPARE_S: Final = 1.0
"""How long an instance waits for its call; one of Python takes 7 MB."""
_STACK_BYTES: Final = 8 * 1024 * 1024
"""Of the guest's thread; deep recursion in a guest kills the process on a small one."""


class Stream:
    """Frames over the descriptor that the gateway holds the other end of."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._reader = FrameReader()
        self._waiting: list[bytes] = []
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def next(self, timeout_s: float | None = None) -> ToWorker | None:
        """The next message, or None if none comes in time.

        Raises:
            EOFError: If the gateway is gone.
            FrameError: If it broke the rules.
        """
        while not self._waiting:
            wait_ms = None if timeout_s is None else max(0.0, timeout_s * 1000)
            if not self._poll.poll(wait_ms):
                return None
            data = os.read(self._descriptor, _READ_BYTES)
            if not data:
                raise EOFError("the gateway is gone")
            self._waiting.extend(self._reader.feed(data))
        return decode_to_worker(self._waiting.pop(0))

    def send(self, message: FromWorker) -> int:
        """Write it whole.

        Returns:
            How many bytes that were.

        Raises:
            FrameError: If it is longer than a frame may be; nothing was written.
            OSError: If the gateway is gone.
        """
        data = frame(message)
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        return len(data)


class GuestThread:
    """The thread that runs the guest.

    Args:
        stream: Where it writes.
        engine: Of the component.
        before: Runs on the thread before anything of the guest does; its result is `is_sealed`.
    """

    def __init__(self, stream: Stream, engine: Engine, before: Callable[[], bool]) -> None:
        self.deadline = Deadline(engine)
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.is_sealed = False
        self._stream = stream
        self._engine = engine
        self._before = before
        self._calls: queue.SimpleQueue[tuple[Call, float]] = queue.SimpleQueue()
        self._host_call_ids = itertools.count(1)
        self._ahead = 0
        self._guest: Guest | None = None
        self._submitted = 0
        self._served = 0

    @property
    def is_busy(self) -> bool:
        """Whether a call waits or runs, or the guest makes ready for the next one."""
        return self._submitted != self._served

    def load(self, component: wc.Component, load: Load) -> Guest:
        """Look at the component and get ready; on the main thread, before `start`.

        Raises:
            GuestError: If it wants what it may not have, or lacks what it should have.
            InvalidComponent: If it cannot be run.
        """
        self._guest = Guest(self._engine, component, load, self._ask)
        self._limits = load.limits
        return self._guest

    def start(self) -> None:
        """Begin to serve; returns once `before` has run."""
        ready = threading.Event()
        threading.stack_size(_STACK_BYTES)
        threading.Thread(target=self._work, args=(ready,), daemon=True).start()
        ready.wait()

    def submit(self, call: Call, deadline_s: float) -> None:
        """Run this call when those before it are over."""
        self._submitted += 1
        self._calls.put((call, deadline_s))

    def _work(self, ready: threading.Event) -> None:
        self.is_sealed = self._before()
        ready.set()
        while True:
            self._serve(*self._next())
            if self._guest is not None:
                self._guest.tidy(self.deadline)
            self._served += 1

    def _next(self) -> tuple[Call, float]:
        """The next call; if it is long in coming, nothing is kept ready for it."""
        try:
            return self._calls.get(timeout=_SPARE_S)
        except queue.Empty:
            if self._guest is not None:
                self._guest.rest()
            return self._calls.get()

    def _serve(self, call: Call, deadline_s: float) -> None:
        running = RunningCall(
            call.id,
            deadline_s,
            limits=self._limits,
            write=lambda text: self._print(call.id, text),
        )
        result = self._outcome(call, running)
        running.flush()
        try:
            self._stream.send(result)
        except (FrameError, UnicodeEncodeError):
            trap = Trap("size", "its answer is longer than a frame may be")
            self._stream.send(Result(call.id, trap=trap))

    def _print(self, call_id: int, text: str) -> None:
        self._stream.send(Output(call_id, text))

    def _outcome(self, call: Call, running: RunningCall) -> Result:
        if self._guest is None:
            raise RuntimeError("nothing is loaded")
        try:
            return Result(call.id, ok=self._guest.run(call, running, self.deadline))
        except GuestError as error:
            return Result(call.id, err=Fault.of(error))
        except GuestTrap as trap:
            return Result(call.id, trap=Trap.of(trap))

    def _ask(
        self, running: RunningCall, interface: str, function: str, arguments: list[Any]
    ) -> Answer:
        """Send a host call and wait for its answer, no longer than the call may take.

        A line for the log has no answer worth waiting for. It is on its way when the guest goes
        on, and the gateway reads it before all that follows.
        """
        number = next(self._host_call_ids)
        try:
            size = self._stream.send(HostCall(number, running.id, interface, function, arguments))
        except FrameError:
            raise GuestTrap("size", "it handed over more than a frame may carry") from None
        if interface == _LOG and self._ahead < _MAX_AHEAD and size <= _MAX_AHEAD_BYTES:
            self._ahead += 1
            return Answer(number)
        answer = self._answer(number, running, f"{interface}.{function}")
        self._ahead = 0  # answers come in the order of the questions
        return answer

    def _answer(self, number: int, running: RunningCall, what: str) -> Answer:
        while True:
            try:
                answer = self.answers.get(timeout=max(0.0, running.left_s()))
            except queue.Empty:
                raise GuestTrap(
                    "deadline", f"its time was over while {what} was under way"
                ) from None
            if answer.id == number:  # one to an earlier call is late, and nobody's
                return answer


def serve(stream: Stream, thread: GuestThread) -> None:
    """Read until the gateway says stop or is gone; watch the clock meanwhile.

    Raises:
        FrameError: If the gateway broke the rules.
    """
    alarms: list[float] = []
    while True:
        try:
            message = stream.next(_patience_s(alarms, is_busy=thread.is_busy))
        except (EOFError, OSError):
            return
        if isinstance(message, Stop):
            return
        if isinstance(message, Call):
            deadline_s = time.monotonic() + message.deadline_ms / 1000
            heapq.heappush(alarms, deadline_s)
            thread.submit(message, deadline_s)
        elif isinstance(message, Answer):
            thread.answers.put(message)
        elif isinstance(message, Load):
            raise FrameError("a worker is loaded once")
        while alarms and alarms[0] <= time.monotonic():
            heapq.heappop(alarms)
        thread.deadline.pass_time()


def _patience_s(alarms: list[float], *, is_busy: bool) -> float | None:
    """How long to wait for a message; None for as long as it takes.

    What the guest does between two calls has a deadline too, and nobody announces it.
    """
    left_s = [alarms[0] - time.monotonic()] if alarms else []
    return min([*left_s, _LOOK_S] if is_busy else left_s, default=None)
