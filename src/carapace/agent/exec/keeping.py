"""Starts a command with its keeper, reads what it writes, and ends the whole of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from carapace.agent.child_process import ROOT, kill_group, reap, worker_environment
from carapace.agent.exec.environment import private_environment
from carapace.agent.exec.output import Output
from carapace.agent.exec.types import Exit, OpenCommand
from carapace.value import Value

__all__ = ["MAX_OUTPUT_BYTES", "Fence", "Kept", "run", "spec_of", "start_keeper"]

_KEEPER: Final = (sys.executable, "-P", "-m", "carapace.agent.exec.keeper")
MAX_OUTPUT_BYTES: Final = 64 * 1024
"""Of each of its two streams."""

_PIECE_BYTES: Final = 65_536
_MAX_FILE_BYTES: Final = 1 << 30
_MAX_PROCESSES: Final = 256
_MAX_STATUS_BYTES: Final = 4_096

_READABLE: Final = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/perl",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    # Of processes only its own folder: the command lines of others may hold secrets.
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/proc/sys/kernel",
    "/sys/devices/system/cpu",
)
_DEVICES: Final = ("/dev/null",)


class Fence(Value, frozen=True, kw_only=True):
    """What a command may reach.

    Attributes:
        is_on: Without it the command has all the rights of the gateway's user.
        workspace: Where it may write.
        readable: What else it may read, besides the system's programs.
        network: Whether it may open connections.
        max_memory_bytes: Of each process.
    """

    is_on: bool
    workspace: Path
    readable: Sequence[str] = ()
    network: bool = False
    max_memory_bytes: int = 2 << 30

    @property
    def text(self) -> str:
        """All of it; another fence is another text."""
        return msgspec.json.encode(
            [
                self.is_on,
                str(self.workspace),
                self.readable,
                self.network,
                self.max_memory_bytes,
            ]
        ).decode()


@dataclass(slots=True)
class Kept:
    """A command that was started.

    Attributes:
        stdout: What it wrote so far.
        stderr: Likewise.
        exit: How it ended; None while it runs.
        ended: Set then.
    """

    stdout: Output = field(default_factory=lambda: Output(MAX_OUTPUT_BYTES))
    stderr: Output = field(default_factory=lambda: Output(MAX_OUTPUT_BYTES))
    exit: Exit | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def spec_of(opened: OpenCommand, fence: Fence, *, private: str, max_cpu_s: int) -> dict[str, Any]:
    """What the keeper is told, but for where it answers.

    Args:
        opened: What runs.
        fence: What it may reach.
        private: A folder of its own.
        max_cpu_s: Of each process.
    """
    command = opened.command
    return {
        "argv": command.argv,
        "path": str(command.path),
        "env": private_environment(command.env, private),
        "is_script": command.is_script,
        "program_fd": opened.program_fd,
        "cwd_fd": opened.cwd_fd,
        "parent_pid": os.getpid(),
        "is_fenced": fence.is_on,
        "network": fence.network,
        "writable": (str(fence.workspace), private, *_DEVICES),
        "readable": (*_READABLE, str(command.path), *fence.readable),
        "max_memory_bytes": fence.max_memory_bytes,
        "max_file_bytes": _MAX_FILE_BYTES,
        "max_cpu_s": max_cpu_s,
        "max_processes": _MAX_PROCESSES,
    }


async def run(
    opened: OpenCommand,
    fence: Fence,
    kept: Kept,
    *,
    timeout_s: float,
    folder: Path,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Run a command to its end, which is written into `kept` whatever happens.

    Takes `opened` over. A caller that is cancelled ends the command.

    Args:
        opened: What runs.
        fence: What it may reach.
        kept: Gets its output and its end.
        timeout_s: After which it is ended.
        folder: Where its private folder is made; it exists.
        environ: Our environment, for the keeper.
    """
    private = tempfile.mkdtemp(prefix="exec-", dir=folder)
    end = Exit(killed=True)
    try:
        try:
            async with asyncio.timeout(timeout_s):
                spec = spec_of(opened, fence, private=private, max_cpu_s=max(1, round(timeout_s)))
                end = await _run(spec, kept, environ)
        except TimeoutError:
            end = Exit(timed_out=True)
        except OSError as error:
            end = Exit(error=error.strerror or str(error))
    finally:
        opened.close()
        kept.exit = end
        kept.ended.set()
        await asyncio.to_thread(shutil.rmtree, private, ignore_errors=True)


async def start_keeper(environ: Mapping[str, str], *fds: int) -> Process:
    """The program that fences a command in and becomes it, in a group of its own.

    Args:
        environ: The gateway's environment; it gets the little of it that Python needs.
        fds: What it inherits beside its three streams.

    Raises:
        OSError: If it cannot be started.
    """
    return await asyncio.create_subprocess_exec(
        *_KEEPER,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=worker_environment(environ),
        cwd=ROOT,
        start_new_session=True,
        pass_fds=fds,
    )


async def _run(spec: dict[str, Any], kept: Kept, environ: Mapping[str, str]) -> Exit:
    status_read, status_write = os.pipe()
    try:
        process = await start_keeper(environ, status_write, spec["program_fd"], spec["cwd_fd"])
    except BaseException:
        os.close(status_read)
        raise
    finally:
        os.close(status_write)
    try:
        async with asyncio.TaskGroup() as group:
            status = group.create_task(_watch(process, status_read))
            group.create_task(
                _feed(process, msgspec.json.encode({**spec, "status_fd": status_write}))
            )
            group.create_task(_collect(process.stdout, kept.stdout))
            group.create_task(_collect(process.stderr, kept.stderr))
        return _exit_of(status.result())
    finally:
        await _end(process)


async def _watch(process: Process, status_fd: int) -> bytes:
    """What the keeper says; it says it last, so then all of it is ended."""
    reader = asyncio.StreamReader()
    pipe = os.fdopen(status_fd, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        found = await reader.read(_MAX_STATUS_BYTES)
        while len(found) < _MAX_STATUS_BYTES and (piece := await reader.read(_MAX_STATUS_BYTES)):
            found += piece
    finally:
        transport.close()
    kill_group(process)
    return found


async def _feed(process: Process, data: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with suppress(OSError):  # a keeper that died at once says so by its end
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _collect(stream: asyncio.StreamReader | None, output: Output) -> None:
    assert stream is not None  # noqa: S101 - it is a pipe
    while piece := await stream.read(_PIECE_BYTES):
        output.add(piece)


async def _end(process: Process) -> None:
    """End the keeper and all it keeps, also where the keeper is gone already."""
    kill_group(process)
    await reap(process)


def _exit_of(said: bytes) -> Exit:
    """What the keeper's first line means."""
    try:
        return msgspec.json.decode(said.split(b"\n", 1)[0], type=Exit)
    except msgspec.DecodeError:
        return Exit(error="it was lost: something ended the process that kept it")
