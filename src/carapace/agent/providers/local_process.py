"""Starts, feeds and ends the process that holds the embedded model."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress

import msgspec

from carapace.agent.child_process import ROOT, close, kill, reap, worker_environment
from carapace.agent.providers.local_wire import (
    MAX_LINE_BYTES,
    Cancel,
    Delta,
    Done,
    Fault,
    FromWorker,
    Generate,
    Ready,
    Start,
    ToWorker,
    decode_from_worker,
    encode,
)
from carapace.tasks import Tasks

__all__ = ["COMMAND", "WorkerDied", "WorkerFault", "WorkerProcess"]

COMMAND = (sys.executable, "-P", "-m", "carapace.agent.providers.local_worker")
_STDERR_LINES = 20
_DRAIN_TIMEOUT_S = 60.0


class WorkerDied(Exception):  # noqa: N818 - it is an event
    """The process ended, or spoke nonsense and was ended; the message says what is known."""


class WorkerFault(Exception):  # noqa: N818 - named as the message it carries
    """The process reports that something failed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class WorkerProcess:
    """One running child. Made by `start`; writes one answer at a time.

    Attributes:
        start_message: What it was started with.
        load_ms: How long loading took.
    """

    def __init__(self, process: Process, tasks: Tasks, start_message: Start) -> None:
        assert process.stdin is not None  # noqa: S101 - all three are pipes, see start()
        assert process.stdout is not None  # noqa: S101
        self.start_message = start_message
        self.load_ms = 0
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._tasks = tasks
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._draining: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        message: Start,
        *,
        tasks: Tasks,
        load_timeout_s: float,
        environ: Mapping[str, str] | None = None,
    ) -> WorkerProcess:
        """Start a child and wait until its model is loaded.

        Args:
            command: What to run; our process id is added.
            message: Which model.
            tasks: Owner of the tasks that read along.
            load_timeout_s: Bound of the loading.
            environ: Ours, to be scrubbed; the process's own if None.

        Raises:
            WorkerFault: It cannot load the model.
            WorkerDied: It ended, or took too long.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            str(os.getpid()),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=worker_environment(os.environ if environ is None else environ),
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for the gateway, which then ends its child
            limit=MAX_LINE_BYTES,
        )
        worker = cls(process, tasks, message)
        tasks.start(worker._keep_stderr(), name="local-stderr")
        try:
            async with asyncio.timeout(load_timeout_s):
                await worker._send(message)
                ready = await worker._receive()
        except TimeoutError:
            await worker.close()
            raise WorkerDied(f"not loaded after {load_timeout_s:.0f} s") from None
        except BaseException:
            await worker.close()
            raise
        if not isinstance(ready, Ready):
            await worker.close()
            raise WorkerFault(ready) if isinstance(ready, Fault) else WorkerDied("not ready")
        worker.load_ms = ready.load_ms
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def generate(
        self, request: Generate, *, silence_timeout_s: float
    ) -> AsyncGenerator[Delta | Done, None]:
        """The answer to `request`, ended by `Done`. Closing the generator cancels it at once.

        What an answer still says after it was cancelled is read away in the background; the
        next one waits for that.

        Raises:
            WorkerFault: The engine refused.
            WorkerDied: The process ended, or said nothing for `silence_timeout_s`.
        """
        is_over = False
        try:
            async with asyncio.timeout(silence_timeout_s):
                if self._draining is not None:
                    await asyncio.wait([self._draining])
                    self._draining = None
                await self._send(request)
            while not is_over:
                async with asyncio.timeout(silence_timeout_s):
                    message = await self._receive()
                if isinstance(message, Fault):
                    is_over = True
                    raise WorkerFault(message)
                if isinstance(message, Ready) or message.id != request.id:
                    raise self._nonsense("an answer to another request")
                is_over = isinstance(message, Done)
                yield message
        except TimeoutError:
            is_over = True
            kill(self._process)
            raise WorkerDied(f"silent for {silence_timeout_s:.0f} s") from None
        finally:
            if not is_over and self.is_alive:
                self._cancel(request.id)

    def _cancel(self, answer_id: int) -> None:
        with suppress(OSError, RuntimeError):  # it may be gone already; the drain will see
            self._stdin.write(encode(Cancel(answer_id)))
        self._draining = self._tasks.start(self._drain(), name="local-drain")

    async def _drain(self) -> None:
        """Read away a cancelled answer; end a process that does not come to an end."""
        try:
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                while not isinstance(await self._receive(), Done | Fault):
                    pass
        except (TimeoutError, WorkerDied):
            kill(self._process)

    async def _send(self, message: ToWorker) -> None:
        try:
            self._stdin.write(encode(message))
            await self._stdin.drain()
        except (OSError, RuntimeError) as error:
            raise await self._died() from error

    async def _receive(self) -> FromWorker:
        try:
            line = await self._stdout.readline()
        except ValueError:
            raise self._nonsense("a line that is too long") from None
        if not line.endswith(b"\n"):
            raise await self._died()
        try:
            return decode_from_worker(line)
        except msgspec.DecodeError:
            raise self._nonsense("an unreadable line") from None

    def _nonsense(self, what: str) -> WorkerDied:
        kill(self._process)
        return WorkerDied(f"ended because it sent {what}")

    async def _died(self) -> WorkerDied:
        kill(self._process)
        await reap(self._process)
        code = self._process.returncode
        cause = f"ended with code {code}"
        if code is not None and code < 0:
            cause = f"ended by {signal.Signals(-code).name}"
        said = next((line for line in reversed(self._stderr) if line), "")
        return WorkerDied(f"{cause}: {said}" if said else cause)

    async def _keep_stderr(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # a line beyond all limits; the rest of it follows
                continue
            if not line:
                return
            self._stderr.append(line[:500].decode("utf-8", "replace").strip())

    async def close(self) -> None:
        """End the process: by the end of its input, by force if that takes over two seconds."""
        await close(self._process, self._stdin)
