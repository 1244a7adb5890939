"""A server that is a program of this machine: fenced in, with a keeper, ended as a whole.

It is started like a command of `exec` (`carapace.agent.exec.keeper`), but its input is ours and
it lives as long as the connection. It gets none of our environment, and writes in a folder of
its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from carapace.agent.child_process import kill_group, reap
from carapace.agent.exec.environment import child_environment
from carapace.agent.exec.keeping import Fence, spec_of, start_keeper
from carapace.agent.exec.types import Command, Exit, OpenCommand
from carapace.agent.mcp.lines import Lines
from carapace.config.settings.mcp import McpServer
from carapace.confine import can_fence
from carapace.errors import Failed
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["Place", "Program", "running"]

_MAX_CPU_S: Final = 1 << 31
_GRACE_S: Final = 0.5
_MAX_STATUS_BYTES: Final = 4_096
_MAX_STDERR_LINES: Final = 50
_STDERR_WINDOW_S: Final = 60.0
_MAX_STDERR_CHARS: Final = 500
_PIECE_BYTES: Final = 4_096
_log = get_logger(__name__)

Tell = Callable[[str], None]
"""Takes one line that a program wrote to its error output."""


class Program:
    """One that runs.

    Args:
        process: Its keeper, which leads its group.
        stdin: Leads to the program itself.
    """

    def __init__(self, process: Process, stdin: asyncio.StreamWriter) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        self.process = process
        self.stdin = stdin
        self.lines = Lines(process.stdout)
        self._exit: Exit | None = None
        self._told = asyncio.Event()

    async def watch(self, status: asyncio.StreamReader) -> None:
        """End all of it when the keeper said how the program ended, or was killed itself."""
        said = await status.read(_MAX_STATUS_BYTES)
        with suppress(msgspec.DecodeError):
            self._exit = msgspec.json.decode(said.split(b"\n", 1)[0], type=Exit)
        self._told.set()
        self.kill()

    async def end_text(self) -> str:
        """How it ended, for people; of one that runs, after half a second, that it is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await self._told.wait()
        end = self._exit
        if end is None:
            return "it was lost"
        if end.error is not None:
            return f"it did not start: {end.error}"
        if end.signal is not None:
            return f"it was ended by signal {end.signal}"
        return f"it ended with code {end.code}; see the log for what it wrote"

    def kill(self) -> None:
        """End it and all it started."""
        kill_group(self.process)


class Place:
    """Where the program of one server lives.

    Args:
        folder: Its own, made if missing; its HOME.
        environ: Our environment, of which it gets the language and the time zone.
        is_fence_there: Whether this system can fence programs in.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        is_fence_there: Callable[[], bool] = can_fence,
    ) -> None:
        self.folder = folder
        self.environ = environ
        self.is_fence_there = is_fence_there


@asynccontextmanager
async def running(settings: McpServer, place: Place, tell: Tell) -> AsyncGenerator[Program]:
    """Start the program; end it, and all it started, with the block.

    Raises:
        Failed: If it cannot be started here; says what to do.
    """
    opened, fence = await asyncio.to_thread(_opened, settings, place)
    spec = spec_of(opened, fence, private=str(place.folder), max_cpu_s=_MAX_CPU_S)
    spec["writable"] = (*settings.write_paths, *spec["writable"])
    try:
        process, stdin, status = await _started(opened, spec, place.environ)
    finally:
        opened.close()
    program = Program(process, stdin)
    tasks = Tasks("mcp", _report)
    try:
        tasks.start(program.watch(status), name="watch")
        tasks.start(_note(process.stderr, tell), name="error output")
        yield program
        await _end(program)
    finally:
        program.kill()
        await tasks.close()
        await reap(process)


def _opened(settings: McpServer, place: Place) -> tuple[OpenCommand, Fence]:
    """The program and its folder, held open, and what it may reach. Blocks for a moment.

    Raises:
        Failed: As `running` does.
    """
    is_fenced = settings.sandbox == "required"
    if is_fenced and not place.is_fence_there():
        raise Failed(
            "this system cannot fence programs in (Linux with Landlock can), so it is not started. "
            'If you trust it with everything, set its "sandbox" to "off"'
        )
    place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    env = {
        **child_environment(place.environ),
        "HOME": str(place.folder),
        "TMPDIR": str(place.folder),
        **settings.env,
    }
    name = settings.command or ""
    found = shutil.which(name, path=env["PATH"])
    if found is None or not Path(found).is_absolute():
        raise Failed(
            f"there is no program {name[:200]!r} in {env['PATH']}. Write its whole path, or set "
            "PATH in its env"
        )
    folder = Path(settings.cwd or place.folder)
    argv = (found, *settings.args)
    opened = _held(argv, Path(os.path.realpath(found)), folder, env)
    readable = (*settings.read_paths, *((settings.cwd,) if settings.cwd else ()))
    fence = Fence(
        is_on=is_fenced, workspace=place.folder, readable=readable, network=settings.network
    )
    return opened, fence


def _held(argv: Sequence[str], path: Path, cwd: Path, env: Mapping[str, str]) -> OpenCommand:
    try:
        cwd_fd = os.open(cwd, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(f"its folder {cwd} cannot be used: {error.strerror}") from None
    try:
        program_fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        os.close(cwd_fd)
        raise Failed(f"{path} cannot be run: {error.strerror}") from None
    command = Command(
        argv=tuple(argv),
        path=path,
        cwd=cwd,
        env=dict(env),
        digest="",  # nobody is asked about it: the operator wrote it down
        is_script=os.pread(program_fd, 2, 0) == b"#!",
        is_carrier=False,
    )
    return OpenCommand(command, program_fd, cwd_fd)


async def _started(
    opened: OpenCommand, spec: dict[str, Any], environ: Mapping[str, str]
) -> tuple[Process, asyncio.StreamWriter, asyncio.StreamReader]:
    """The keeper, the program's input, and what the keeper says of its end."""
    ours: list[int] = []
    theirs: list[int] = []
    try:
        status_read, status_write = os.pipe()
        ours.append(status_read)
        theirs.append(status_write)
        stdin_read, stdin_write = os.pipe()
        ours.append(stdin_write)
        theirs.append(stdin_read)
        process = await start_keeper(environ, *theirs, opened.program_fd, opened.cwd_fd)
        said = {**spec, "status_fd": status_write, "stdin_fd": stdin_read}
    except BaseException:
        for one in ours:
            os.close(one)
        raise
    finally:
        for one in theirs:
            os.close(one)
    try:
        stdin = await _writer(stdin_write)
        status = await _reader(status_read)
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        with suppress(OSError):  # a keeper that died at once says so by its end
            process.stdin.write(msgspec.json.encode(said))
            await process.stdin.drain()
        process.stdin.close()
    except BaseException:
        kill_group(process)
        raise
    return process, stdin, status


async def _writer(opened: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(opened, "wb", buffering=0)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _reader(opened: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(opened, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader


async def _note(stream: asyncio.StreamReader | None, tell: Tell) -> None:
    """Hand on the lines of the error output, few enough for a log."""
    assert stream is not None  # noqa: S101 - it is a pipe
    loop = asyncio.get_running_loop()
    began_s, told, rest = loop.time(), 0, b""
    while piece := await stream.read(_PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        rest = rest[:_PIECE_BYTES]
        if loop.time() - began_s > _STDERR_WINDOW_S:
            began_s, told = loop.time(), 0
        for line in lines[: _MAX_STDERR_LINES - told]:
            told += 1
            tell(line[: 4 * _MAX_STDERR_CHARS].decode(errors="replace")[:_MAX_STDERR_CHARS])


async def _end(program: Program) -> None:
    """Let it end by the end of its input, for half a second; then by force."""
    program.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await program.process.wait()
    program.kill()


def _report(task: str, error: BaseException) -> None:
    _log.error("watching the program of an MCP server failed", task=task, exc_info=error)
