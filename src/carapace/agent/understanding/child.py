"""Runs the confined child for one job, and ends it whatever happens."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from carapace.agent.child_process import ROOT, kill, reap, worker_environment
from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.understanding.wire import (
    MAX_ANSWER_BYTES,
    Job,
    Reading,
    Unreadable,
    decode_answer,
    encode,
)

__all__ = ["COMMAND", "ChildReader"]

COMMAND: Final = (sys.executable, "-P", "-m", "carapace.agent.understanding.worker")
_MAX_AT_ONCE: Final = 2
_PIECE_BYTES: Final = 65_536


class ChildReader:
    """Reads what strangers made, two things at a time, each in a process of its own.

    Args:
        command: How the child is started; job and our process id are added.
        max_at_once: Children at a time; others wait.
    """

    def __init__(
        self, command: Sequence[str] = COMMAND, *, max_at_once: int = _MAX_AT_ONCE
    ) -> None:
        self._command = command
        self._slots = asyncio.Semaphore(max_at_once)

    async def read(self, data: bytes, job: Job, *, timeout_s: float) -> Reading:
        """What `data` says.

        Raises:
            NotUnderstood: If it cannot be read, or not within `timeout_s`, waiting included.
        """
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                raw = await self._run(data, job)
        except TimeoutError:
            text = f"took longer than {timeout_s:g} s to read"
            raise NotUnderstood(text, outcome="timeout") from None
        try:
            answer = decode_answer(raw)
        except msgspec.DecodeError as error:
            # Killed by a limit, or crashed: the half of an answer is none.
            raise NotUnderstood("could not be read: the reader ended early") from error
        if isinstance(answer, Unreadable):
            outcome = "missing" if answer.is_missing else "refused"
            raise NotUnderstood(answer.reason, outcome=outcome)
        return answer

    async def _run(self, data: bytes, job: Job) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                encode(job).decode(),
                str(os.getpid()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={**worker_environment(os.environ), "OMP_NUM_THREADS": "2"},
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C is for the gateway, which then ends its child
            )
        except OSError as error:
            raise NotUnderstood(f"could not be read: {error.strerror}") from error
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_feed(process, data))
                return await _collect(process)
        finally:
            await _end(process)


async def _feed(process: Process, data: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with suppress(OSError):  # a child that has heard enough closes its end
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _collect(process: Process) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    found = bytearray()
    while piece := await process.stdout.read(_PIECE_BYTES):
        found += piece
        if len(found) > MAX_ANSWER_BYTES:
            kill(process)
            return b""
    return bytes(found)


async def _end(process: Process) -> None:
    """Leave no process behind, and no pipe that it filled."""
    kill(process)
    await reap(process)
