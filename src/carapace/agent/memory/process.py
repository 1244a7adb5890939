"""Starts, asks and ends the process that embeds."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from carapace.agent.child_process import ROOT, close, kill, reap, worker_environment
from carapace.agent.memory.ports import EmbedderTrouble, TroubleKind
from carapace.agent.memory.wire import (
    HEADER_BYTES,
    Fault,
    Found,
    FromWorker,
    Ready,
    ToWorker,
    Vectors,
    body_length,
    decode_from_worker,
    encode,
)

__all__ = ["COMMAND", "EmbedProcess", "embed_environment"]

COMMAND: Final = (sys.executable, "-P", "-m", "carapace.agent.memory.worker")


def embed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the child sees of our environment: no secret, and one thread.

    A second thread was no faster on a busy machine, and turns need the other cores.
    """
    return {**worker_environment(environ), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class EmbedProcess:
    """One running child. Made by `start`; the caller asks one thing at a time.

    Attributes:
        load_ms: How long loading took.
    """

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None  # noqa: S101 - both are pipes, see start()
        assert process.stdout is not None  # noqa: S101
        self.load_ms = 0
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def start(cls, command: Sequence[str], *, load_timeout_s: float) -> EmbedProcess:
        """Start a child and wait until its model is loaded.

        Args:
            command: What to run; our process id is added.
            load_timeout_s: Bound of the loading.

        Raises:
            EmbedderTrouble: `MISSING` or `LOAD`.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(os.getpid()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=embed_environment(os.environ),
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C is for the gateway, which then ends its child
            )
        except OSError as error:
            raise EmbedderTrouble(TroubleKind.LOAD, f"it did not start: {error}") from error
        child = cls(process)
        try:
            child.load_ms = await child._loaded(load_timeout_s)
        except BaseException:
            await child.close()
            raise
        return child

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ask(self, request: ToWorker, *, timeout_s: float) -> Vectors | Found:
        """The answer to `request`. A child whose answer did not come is ended.

        Raises:
            EmbedderTrouble: `DIED` or `REFUSED`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                self._stdin.write(encode(request))
                await self._stdin.drain()
                answer = await self._receive()
        except TimeoutError:
            self.kill()
            raise EmbedderTrouble(TroubleKind.DIED, f"silent for {timeout_s:.0f} s") from None
        except (OSError, RuntimeError, EOFError) as error:
            raise EmbedderTrouble(TroubleKind.DIED, await self._end()) from error
        except (ValueError, msgspec.DecodeError) as error:
            self.kill()
            raise EmbedderTrouble(TroubleKind.DIED, "it sent an unreadable answer") from error
        except BaseException:
            self.kill()  # half an answer may be left in the pipe
            raise
        if isinstance(answer, Vectors | Found):
            return answer
        if isinstance(answer, Fault):
            raise EmbedderTrouble(TroubleKind.REFUSED, answer.message)
        self.kill()
        raise EmbedderTrouble(TroubleKind.DIED, "it answered out of turn")

    async def _loaded(self, timeout_s: float) -> int:
        try:
            async with asyncio.timeout(timeout_s):
                message = await self._receive()
        except TimeoutError:
            text = f"not loaded after {timeout_s:.0f} s"
            raise EmbedderTrouble(TroubleKind.LOAD, text) from None
        except (OSError, EOFError, ValueError, msgspec.DecodeError) as error:
            raise EmbedderTrouble(TroubleKind.LOAD, await self._end()) from error
        if isinstance(message, Ready):
            return message.load_ms
        if isinstance(message, Fault):
            raise EmbedderTrouble(TroubleKind(message.kind), message.message)
        raise EmbedderTrouble(TroubleKind.LOAD, "it answered out of turn")

    async def _receive(self) -> FromWorker:
        length = body_length(await self._stdout.readexactly(HEADER_BYTES))
        return decode_from_worker(await self._stdout.readexactly(length))

    async def _end(self) -> str:
        self.kill()
        await reap(self._process)
        return f"it ended with code {self._process.returncode}"

    def kill(self) -> None:
        """End it now; whoever waits for an answer hears that it died."""
        kill(self._process)

    async def close(self) -> None:
        """End the process: by the end of its input, by force if that takes over two seconds."""
        await close(self._process, self._stdin)
