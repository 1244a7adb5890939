"""Runs the child that turns one component into native code, and ends it whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host.aot_cache import MAX_COMPILED_BYTES
from carapace.plugins.host.sealed import Artifact, Draft
from carapace.plugins.host.worker import worker_environment
from carapace.plugins.ports import LoadedPlugin
from carapace.plugins.worker.compile_wire import (
    MAX_LINE_BYTES,
    Compiled,
    CompileJob,
    decode_answer,
    encode,
)

__all__ = ["COMMAND", "Compiler"]

COMMAND: Final = (sys.executable, "-I", "-m", "carapace.plugins.worker.compile")
_ROOT: Final = os.path.abspath(os.sep)  # noqa: PTH100 - a Path cannot name the root of any system
_TIMEOUT_S: Final = 300.0
_PIECE_BYTES: Final = 262_144


class Compiler:
    """Compiles one component at a time: each takes all cores, and a gigabyte.

    Args:
        command: What compiles; our process id and the job are added.
        timeout_s: Bound of one, without the wait for its turn.
    """

    def __init__(self, command: Sequence[str] = COMMAND, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()

    async def compile(self, plugin: LoadedPlugin, wasm: Artifact) -> Artifact:
        """The native code of a component.

        Args:
            plugin: What it may import and has to export.
            wasm: Its bytes, known to be those that were signed.

        Raises:
            PluginUnavailable: If it cannot be compiled, or wants what it may not have.
        """
        job = CompileJob(
            tuple(sorted(plugin.grants.interfaces)), tuple(sorted(plugin.roles | {"manifest"}))
        )
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._run(job, wasm)
            except TimeoutError:
                raise _no(f"compiling it took more than {self._timeout_s:g} s") from None
            except OSError as error:
                raise _no(f"it could not be compiled: {error}") from error

    async def _run(self, job: CompileJob, wasm: Artifact) -> Artifact:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(os.getpid()),
            encode(job).decode(),
            stdin=wasm.fd,
            stdout=PIPE,
            stderr=DEVNULL,
            env=worker_environment(os.environ),
            cwd=_ROOT,
            start_new_session=True,  # Ctrl-C is for the gateway, which then ends its children
            limit=MAX_LINE_BYTES,
        )
        draft = Draft()
        try:
            await _receive(process, draft)
            return draft.seal()
        except EOFError:
            cause = _cause(await process.wait())
            raise _no(f"the compiler ended with {cause}; the component may be too large") from None
        finally:
            draft.discard()
            # Shielded: a caller in a hurry must leave no process behind.
            await asyncio.shield(_end(process))


async def _receive(process: Process, draft: Draft) -> None:
    """Take the child's answer.

    Raises:
        EOFError: If it ended before it was complete.
        PluginUnavailable: If it is a refusal, or makes no sense.
    """
    assert process.stdout is not None  # noqa: S101 - it is a pipe, see _run()
    try:
        line = await process.stdout.readuntil(b"\n")
        answer = decode_answer(line)
    except (asyncio.LimitOverrunError, msgspec.DecodeError):
        raise _no("the compiler gave an answer that makes no sense") from None
    if not isinstance(answer, Compiled):
        raise _no(answer.message)
    if answer.size_bytes > MAX_COMPILED_BYTES:
        raise _no(f"its native code is longer than {MAX_COMPILED_BYTES // 2**20} MiB")
    while draft.size_bytes < answer.size_bytes:
        left = answer.size_bytes - draft.size_bytes
        piece = await process.stdout.read(min(left, _PIECE_BYTES))
        if not piece:
            raise EOFError
        draft.write(piece)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            # `Process.kill` would first reap a child that just died: its signal is lost then.
            os.kill(process.pid, signal.SIGKILL)
    assert process.stdout is not None  # noqa: S101 - it is a pipe, see _run()
    while await process.stdout.read(_PIECE_BYTES):  # else the pipe stays open
        continue
    await process.wait()


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"code {code}"


def _no(why: str) -> PluginUnavailable:
    return PluginUnavailable(why, retryable=False)
