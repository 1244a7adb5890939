"""One worker process: starts it, makes one call at a time, kills it when it is late.

The worker stops a guest at the call's deadline by itself. A worker that has said nothing 50 ms
later is stuck where its own watch does not reach; it is killed, and the call has failed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from carapace.plugins.errors import GuestTrap, PluginUnavailable
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
    WorkerLimits,
    decode_from_worker,
    frame,
)
from carapace.plugins.host.questions import Questions
from carapace.plugins.ports import Instance, LoadedPlugin
from carapace.tasks import Tasks

__all__ = ["COMMAND", "GRACE_S", "NotTaken", "Worker", "worker_environment"]

COMMAND: Final = (sys.executable, "-I", "-m", "carapace.plugins.worker")
GRACE_S: Final = 0.05
_ROOT: Final = os.path.abspath(os.sep)  # noqa: PTH100 - a Path cannot name the root of any system
_KEPT_VARIABLES: Final = ("LANG", "LD_LIBRARY_PATH")
_READ_BYTES: Final = 262_144
_BIG_BYTES: Final = 1_000_000  # from here on decoding takes milliseconds: not on the loop
_STDERR_BYTES: Final = 4_096
_AT_ONCE: Final = 8
"""Messages of one worker that are looked at before anything else of the gateway has its turn."""


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a worker sees of our environment: nothing that could hold a secret or a path of ours."""
    return {name: environ[name] for name in _KEPT_VARIABLES if name in environ}


class NotTaken(Exception):  # noqa: N818 - it is an event
    """The process ended before it had read the call: another one may be given it."""


class Worker:
    """One running process. Made by `start`; the caller makes one call at a time.

    Args:
        process: With its standard error as a pipe.
        sock: Our end, not blocking.
        questions: Where the guest's questions go.
        tasks: Owner of the task that reads the standard error.
    """

    def __init__(
        self, process: Process, sock: socket.socket, questions: Questions, tasks: Tasks
    ) -> None:
        self._process = process
        self._sock = sock
        self._questions = questions
        self._frames = FrameReader()
        self._bodies: deque[bytes] = deque()
        self._last_id = 0
        self._complaint = b""
        self._why = ""
        self._was_heard = False
        self._listening = tasks.start(self._listen(), name="stderr")

    @classmethod
    async def start(
        cls,
        plugin: LoadedPlugin,
        artifact: int,
        questions: Questions,
        *,
        tasks: Tasks,
        timeout_s: float,
        command: Sequence[str] = COMMAND,
    ) -> Worker:
        """Start a process and have it load the plugin.

        Args:
            plugin: What it runs.
            artifact: Descriptor of the compiled component, verified; it stays the caller's.
            questions: Where the guest's questions go.
            tasks: Owner of the task that reads its standard error.
            timeout_s: For starting and loading together.
            command: What to run; process id, socket and artifact are added.

        Raises:
            GuestError: The component is refused; the code says why.
            GuestTrap: The process did not come up.
        """
        process, sock = await _spawn(command, artifact)
        worker = cls(process, sock, questions, tasks)
        try:
            await worker._load(plugin, timeout_s)
        except BaseException:
            await worker.end()
            raise
        return worker

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs, as far as we know."""
        return self._process.returncode is None and not self._why

    async def call(
        self,
        interface: str,
        function: str,
        arguments: Sequence[Any],
        *,
        timeout_s: float,
        instance: Instance,
    ) -> Any:
        """Call an export. After a trap of kind `lost`, or a kill, the worker is of no more use.

        Raises:
            GuestError: The err arm.
            GuestTrap: It was stopped.
            NotTaken: It never saw the call, and is gone.
            PluginUnavailable: The arguments cannot be handed over; nothing was sent.
        """
        call_id = self._next_id()
        message = Call(
            call_id, interface, function, list(arguments), max(1, round(timeout_s * 1000)), instance
        )
        try:
            data = frame(message)
        except (FrameError, UnicodeEncodeError) as error:
            raise PluginUnavailable(
                f"what was to be handed to the plugin cannot be sent ({error}): send less, as "
                "plain text",
                retryable=False,
            ) from None
        return _value(await self._exchange(data, call_id, timeout_s, asks=True))

    def kill(self, why: str) -> None:
        """End it now; whoever waits for an answer hears that it is lost."""
        if self._process.returncode is None:
            self._why = self._why or why
            with suppress(ProcessLookupError):
                # `Process.kill` would first reap a child that just died: its signal is lost then.
                os.kill(self._process.pid, signal.SIGKILL)

    async def ended(self) -> str:
        """Wait for its end, and tell why it came, for people."""
        code = await self._process.wait()
        if self._why:
            return self._why
        cause = signal.Signals(-code).name if code < 0 else f"code {code}"
        said = self._complaint.decode("utf-8", errors="replace").strip().rpartition("\n")[2]
        return f"its process ended with {cause}" + (f" ({said[:200]})" if said else "")

    async def end(self) -> None:
        """Kill it and let go of all that it held."""
        self.kill("it was stopped")
        try:
            await self._process.wait()
            await asyncio.wait([self._listening])  # its pipe ends with the process
        finally:
            self._sock.close()

    async def _load(self, plugin: LoadedPlugin, timeout_s: float) -> None:
        limits = plugin.limits
        message = Load(
            self._next_id(),
            tuple(sorted(plugin.grants.interfaces)),
            tuple(sorted(plugin.roles | {"manifest"})),
            WorkerLimits(memory_bytes=limits.memory_bytes, output_bytes=limits.max_output_bytes),
        )
        try:
            _value(await self._exchange(frame(message), message.id, timeout_s, asks=False))
        except NotTaken as error:
            raise GuestTrap("lost", str(error)) from None

    async def _exchange(
        self, data: bytes, message_id: int, timeout_s: float, *, asks: bool
    ) -> Result:
        """Send one message and wait for its result; what goes wrong costs the process its life."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        self._was_heard, is_taken = False, True
        try:
            async with asyncio.timeout_at(deadline_s + GRACE_S):
                await asyncio.get_running_loop().sock_sendall(self._sock, data)
                return await self._result(message_id, deadline_s, asks=asks)
        except TimeoutError:
            text = f"it was still busy {timeout_s:g} s after it was called, and was killed"
            self.kill(text)
            raise GuestTrap("deadline", text) from None
        except FrameError as error:
            self.kill(f"its process spoke nonsense: {error}")
        except ConnectionError:
            # unix(7): a peer that closes with bytes unread resets the connection. Before its
            # first word those can only be bytes of our message.
            is_taken = self._was_heard
            self.kill("")
        except (OSError, EOFError):
            self.kill("")  # it may have closed the socket without ending
        except BaseException:
            self.kill("a call was broken off")  # half an answer may be left in the socket
            raise
        why = await self.ended()
        raise GuestTrap("lost", why) if is_taken else NotTaken(why)

    async def _result(self, message_id: int, deadline_s: float, *, asks: bool) -> Result:
        for count in itertools.count(1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)  # what has arrived already is read without waiting
            match await self._receive():
                case Result() as result if result.id == message_id:
                    return result
                case HostCall() as asked if asks and asked.call_id == message_id:
                    await self._answer(asked, deadline_s)
                case Output() as printed if printed.call_id == message_id:
                    self._questions.printed(printed.text)
                case _:
                    break
        raise FrameError("a message out of turn")

    async def _answer(self, asked: HostCall, deadline_s: float) -> None:
        answer = await self._questions.answer(asked, deadline_s)
        if answer is None:
            return  # the worker stops the guest at this moment
        try:
            data = frame(answer)
        except FrameError:
            text = "the answer is larger than what can be handed over"
            data = frame(Answer(asked.id, err=Fault("too-large", text)))
        except (UnicodeEncodeError, TypeError, msgspec.MsgspecError):
            data = frame(Answer(asked.id, err=Fault("internal", "the answer cannot be written")))
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def _receive(self) -> FromWorker:
        while not self._bodies:
            data = await asyncio.get_running_loop().sock_recv(self._sock, _READ_BYTES)
            if not data:
                raise EOFError
            self._was_heard = True
            self._bodies.extend(self._frames.feed(data))
        body = self._bodies.popleft()
        if len(body) < _BIG_BYTES:
            return decode_from_worker(body)
        return await asyncio.to_thread(decode_from_worker, body)

    async def _listen(self) -> None:
        """Keep the end of what the process says on its standard error."""
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe, see _spawn()
        while piece := await self._process.stderr.read(_STDERR_BYTES):
            self._complaint = (self._complaint + piece)[-_STDERR_BYTES:]

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _value(result: Result) -> Any:
    """What a result means: its value, or the error it stands for."""
    if result.trap is not None:
        raise result.trap.as_error()
    if result.err is not None:
        raise result.err.as_error()
    return result.ok


async def _spawn(command: Sequence[str], artifact: int) -> tuple[Process, socket.socket]:
    """A process, and our end of the pair of sockets that it has the other end of."""
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *command,
            str(os.getpid()),
            str(theirs.fileno()),
            str(artifact),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=worker_environment(os.environ),
            cwd=_ROOT,
            pass_fds=(theirs.fileno(), artifact),
            start_new_session=True,  # Ctrl-C is for the gateway, which then ends its children
        )
    except OSError as error:
        ours.close()
        raise GuestTrap("lost", f"its process did not start: {error.strerror}") from error
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours
