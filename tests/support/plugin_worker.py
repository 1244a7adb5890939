"""A worker without WebAssembly: the real process, frames and deadlines, a guest in Python.

What it does is in what it is asked. The artifact is JSON: `{"load": "ok"}`, or `refuse`,
`invalid`, `hang`, `crash`, `garbage`, `quit`. Functions of the
interface `tool`, whatever the contract says about them:

    echo ...        its arguments
    count           how often this instance was called
    pid             its process id
    nap ms          sleeps, within its deadline
    spin            answers nothing, ever: stuck where no deadline reaches
    late            is stopped by its own deadline
    trap kind       a trap of that kind; the worker goes on
    fail code       the err arm
    crash, quit, hang-up, garbage, flood, out-of-turn, complain
    ask interface function [arguments]      what the gateway answered
    ask-often interface function times      a list of `ok` and codes of errors
    ask-ahead interface function times      numbers of the answers; all asked before one is read
    print text      to standard output
    big n           a text of n bytes
    env             names of its environment variables, and its working folder

Verified by `tests/contract/test_plugin_worker.py`, whose cases run on the real worker too.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carapace.confine import confine
from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.frames import (
    Answer,
    Call,
    Fault,
    FrameReader,
    FromWorker,
    HostCall,
    Load,
    Loaded,
    Output,
    Result,
    Stop,
    ToWorker,
    Trap,
    decode_to_worker,
    frame,
)

__all__ = ["COMMAND"]

COMMAND = (sys.executable, "-P", str(Path(__file__).resolve()))


class Line:
    """The socket."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._reader = FrameReader()
        self._bodies: list[bytes] = []

    def next(self, timeout_s: float | None = None) -> ToWorker:
        while not self._bodies:
            if not select.select([self._descriptor], [], [], timeout_s)[0]:
                raise GuestTrap("deadline", "its time is over")
            data = os.read(self._descriptor, 65_536)
            if not data:
                os._exit(0)
            self._bodies.extend(self._reader.feed(data))
        return decode_to_worker(self._bodies.pop(0))

    def send(self, message: FromWorker) -> None:
        self.raw(frame(message))

    def raw(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        os.close(self._descriptor)


class Guest:
    """What a call can do."""

    def __init__(self, line: Line, call: Call) -> None:
        self.line = line
        self.call = call
        self.ends_s = time.monotonic() + call.deadline_ms / 1000
        self.counts: dict[str, int] = {}

    def echo(self, *words: Any) -> list[Any]:
        return list(words)

    def pid(self) -> int:
        return os.getpid()

    def nap(self, ms: int) -> str:
        time.sleep(min(ms / 1000, max(0.0, self.ends_s - time.monotonic())))
        if time.monotonic() >= self.ends_s:
            raise GuestTrap("deadline", "its time is over")
        return "rested"

    def spin(self) -> None:
        signal.pause()

    def late(self) -> None:
        time.sleep(max(0.0, self.ends_s - time.monotonic()))
        raise GuestTrap("deadline", "its time is over")

    def trap(self, kind: Any) -> None:
        raise GuestTrap(kind, f"a trap of kind {kind}")

    def fail(self, code: str) -> None:
        raise GuestError(code, f"it says {code}", retryable=True, retry_after_ms=7)

    def crash(self) -> None:
        os.abort()

    def quit(self) -> None:
        os._exit(3)

    def hang_up(self) -> None:
        self.line.close()
        signal.pause()

    def garbage(self) -> None:
        self.line.raw(b"\x00\x00\x00\x04nope")

    def flood(self) -> None:
        self.line.raw(b"\xff\xff\xff\xff")

    def out_of_turn(self) -> None:
        self.line.send(Result(self.call.id + 1_000, ok="stolen"))

    def complain(self) -> None:
        sys.stderr.write("first\nthread panicked: out of luck\n")
        sys.stderr.flush()
        os.abort()

    def ask(self, interface: str, function: str, arguments: list[Any]) -> Any:
        self.line.send(HostCall(1, self.call.id, interface, function, arguments))
        answer = self.line.next(max(0.0, self.ends_s - time.monotonic()))
        assert isinstance(answer, Answer)
        if answer.err is not None:
            raise answer.err.as_error()
        return answer.ok

    def ask_often(self, interface: str, function: str, times: int) -> list[str]:
        told: list[str] = []
        for _ in range(times):
            try:
                self.ask(interface, function, [])
                told.append("ok")
            except GuestError as error:
                told.append(error.code)
        return told

    def ask_ahead(self, interface: str, function: str, times: int) -> list[int]:
        for number in range(times):
            self.line.send(HostCall(number, self.call.id, interface, function, []))
        answers = [self.line.next(10.0) for _ in range(times)]
        return [answer.id for answer in answers if isinstance(answer, Answer)]

    def print(self, text: str) -> None:
        self.line.send(Output(self.call.id, text))

    def big(self, n_bytes: int) -> str:
        return "x" * n_bytes

    def env(self) -> list[Any]:
        return [sorted(os.environ), str(Path.cwd())]


LOADS: dict[str, Callable[[], object]] = {
    "hang": signal.pause,
    "crash": os.abort,
    "quit": lambda: os._exit(3),
}


def load(line: Line, message: Load, descriptor: int) -> None:
    with os.fdopen(descriptor, "rb") as file:
        wish = json.load(file)
    how = wish["load"]
    LOADS.get(how, lambda: None)()
    if how == "garbage":
        line.raw(b"\x00\x00\x00\x04nope")
    if how == "refuse":
        line.send(Result(message.id, err=Fault("IMPORT_REFUSED", "it imports wasi:http")))
    elif how == "invalid":
        line.send(Result(message.id, err=Fault("INVALID_COMPONENT", "for another machine")))
    else:
        line.send(Result(message.id, ok=Loaded(message.grants, message.exports, is_sealed=False)))


def serve(line: Line) -> None:
    count = 0
    while True:
        message = line.next()
        if isinstance(message, Stop):
            return
        if not isinstance(message, Call):
            continue
        count += 1
        result = outcome(Guest(line, message), message, count)
        line.send(result)


def outcome(guest: Guest, call: Call, count: int) -> Result:
    if call.function == "count":
        return Result(call.id, ok=count)
    try:
        return Result(call.id, ok=getattr(guest, call.function.replace("-", "_"))(*call.arguments))
    except GuestError as error:
        return Result(call.id, err=Fault.of(error))
    except GuestTrap as trap:
        return Result(call.id, trap=Trap.of(trap))


def main(argv: list[str]) -> None:
    parent, socket, artifact = (int(one) for one in argv)
    confine(parent)
    line = Line(socket)
    first = line.next()
    assert isinstance(first, Load)
    load(line, first, artifact)
    serve(line)


if __name__ == "__main__":
    main(sys.argv[1:])
