"""What all processes of the agent's rooms have in common: what they see of us, and their end."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

__all__ = ["ROOT", "close", "kill", "kill_group", "reap", "worker_environment"]

ROOT: Final = os.path.abspath(os.sep)  # noqa: PTH100 - a Path cannot name the root of any system
"""Where a child works: not in a folder that somebody may want to unmount or fill with modules."""

_KEPT_VARIABLES: Final = ("PATH", "LANG", "SYSTEMROOT", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_CLOSE_TIMEOUT_S: Final = 2.0
_PIECE_BYTES: Final = 65_536


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a child sees of our environment: nothing that could hold a secret.

    Idle OpenMP threads must sleep: spinning ones take ten times the speed from a busy machine.
    """
    kept = {name: environ[name] for name in _KEPT_VARIABLES if name in environ}
    return {**kept, "OMP_WAIT_POLICY": "passive"}


def kill(process: Process) -> None:
    """End it now; one that has ended already is left alone."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            # `Process.kill` would first reap a child that just died: its signal is lost then.
            os.kill(process.pid, signal.SIGKILL)


def kill_group(process: Process) -> None:
    """End it and all that it started; it must lead a session of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def reap(process: Process) -> None:
    """Wait up to two seconds for the end of a process, and throw away what it still has to say.

    asyncio calls a process ended only when its pipes are empty: unread output would hold us for
    ever. A child of the child that keeps a pipe open is not waited for any longer.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            for stream in (process.stdout, process.stderr):
                await _read_away(stream)
            await process.wait()


async def _read_away(stream: StreamReader | None) -> None:
    with suppress(RuntimeError):  # somebody else is reading it to its end
        while stream is not None and await stream.read(_PIECE_BYTES):
            pass


async def close(process: Process, stdin: StreamWriter) -> None:
    """End it by the end of its input, by force if that takes over two seconds."""
    stdin.close()
    await reap(process)
    if process.returncode is None:
        kill(process)
        await reap(process)
