"""A real worker process with the test as its gateway, one frame at a time.

with wasm_worker(hazard("spin")) as worker:
    worker.invoke("spin", deadline_ms=200)
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carapace.plugins.frames import (
    Answer,
    Call,
    FrameReader,
    FromWorker,
    HostCall,
    InstanceKind,
    Load,
    Output,
    Result,
    Stop,
    ToWorker,
    WorkerLimits,
    decode_from_worker,
    frame,
)

__all__ = ["WasmWorker", "wasm_worker"]

DEADLINE_S = 30.0


@dataclass
class WasmWorker:
    """One process."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    loaded: Result | None = None
    printed: str = ""
    asked: list[HostCall] = field(default_factory=list[HostCall])
    last_id: int = 1
    _reader: FrameReader = field(default_factory=FrameReader)
    _waiting: list[FromWorker] = field(default_factory=list[FromWorker])

    def send(self, message: ToWorker) -> None:
        self.sock.sendall(frame(message))

    def receive(self, timeout_s: float = DEADLINE_S) -> FromWorker | None:
        """The next frame; None at the end of the stream."""
        ends_s = time.monotonic() + timeout_s
        while not self._waiting:
            ready, _, _ = select.select([self.sock], [], [], max(0.0, ends_s - time.monotonic()))
            assert ready, "the worker said nothing in time"
            data = self.sock.recv(1 << 20)
            if not data:
                return None
            self._waiting.extend(decode_from_worker(body) for body in self._reader.feed(data))
        return self._waiting.pop(0)

    def call(
        self,
        interface: str,
        function: str,
        *arguments: Any,
        deadline_ms: int = 10_000,
        instance: InstanceKind = "fresh",
        answer: Callable[[HostCall], Answer | None] | None = None,
    ) -> Result:
        """One call to its end; `answer` gives what host calls get, None leaves them hanging."""
        self.last_id += 1
        self.printed = ""
        self.send(Call(self.last_id, interface, function, list(arguments), deadline_ms, instance))
        while True:
            said = self.receive()
            assert said is not None, f"the worker is gone: {self.process.wait(DEADLINE_S)}"
            if isinstance(said, Result):
                assert said.id == self.last_id
                return said
            assert said.call_id == self.last_id
            if isinstance(said, Output):
                self.printed += said.text
                continue
            self.asked.append(said)
            given = None if answer is None else answer(said)
            if given is not None:
                self.send(given)

    def invoke(self, name: str = "x", text: str = "", **options: Any) -> Result:
        """Call `tool.invoke`."""
        return self.call("tool", "invoke", name, text, **options)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.send(Stop())
        return self.process.wait(DEADLINE_S)


@contextmanager
def wasm_worker(
    code: Path,
    *,
    grants: tuple[str, ...] = (),
    exports: tuple[str, ...] = ("tool",),
    limits: WorkerLimits | None = None,
    first: ToWorker | None = None,
) -> Generator[WasmWorker]:
    """A process that has loaded `code`; killed at the end of the block."""
    ours, theirs = socket.socketpair()
    descriptor = os.open(code, os.O_RDONLY)
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-m", "carapace.plugins.worker"),
                *(str(os.getpid()), str(theirs.fileno()), str(descriptor)),
            ],
            pass_fds=[theirs.fileno(), descriptor],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={},
        )
    finally:
        theirs.close()
        os.close(descriptor)
    worker = WasmWorker(process, ours)
    try:
        worker.send(first or Load(1, grants, exports, limits or WorkerLimits()))
        said = worker.receive()
        assert said is None or isinstance(said, Result)
        worker.loaded = said
        yield worker
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        ours.close()
        if process.stderr is not None:
            process.stderr.close()
