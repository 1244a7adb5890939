"""The process between the gateway and a command: `python -m carapace.agent.exec.keeper`.

It reads one JSON object (made by `keeping.spec_of`), starts the command in its own fence and waits
for it. The command's input is `stdin_fd` if the object names one, else nothing. The two and
everything the command starts are one process group, which nothing in it can leave, and the end of
either is the end of all: of the command, because then nobody needs the rest; of the gateway,
because then nobody watches it.

What becomes of the command is written to a pipe as one line of JSON: `{"error": TEXT}` if it did
not start, else `{"code": N}` or `{"signal": N}`. A keeper that was killed writes nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

from carapace.confine import fence, forbid, give_up_privileges, limit

__all__ = ["main"]

_PR_SET_PDEATHSIG: Final = 1
_DID_NOT_START: Final = 126


def main() -> None:
    """Run one command and end with it."""
    signal.signal(signal.SIGTERM, _end_all)
    spec: dict[str, Any] = json.load(sys.stdin.buffer)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != spec["parent_pid"]:  # it died before the kernel was told
        _end_all(0, None)
    given: int | None = spec.get("stdin_fd")
    os.dup2(os.open(os.devnull, os.O_RDONLY) if given is None else given, 0)
    if given is not None:
        os.close(given)
    os.set_inheritable(spec["status_fd"], False)
    child = os.fork()
    if child == 0:
        _become(spec)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    # A child that could not become the command has said why already; the first line counts.
    _tell(spec, {"code": code} if code >= 0 else {"signal": -code})
    _end_all(0, None)


def _become(spec: dict[str, Any]) -> None:
    """Be the command, or say why not; does not return."""
    try:
        _prepare(spec)
        _start(spec)
    except OSError as error:
        _tell(spec, {"error": error.strerror or str(error)})
    except BaseException as error:  # noqa: BLE001 - whatever it is, this process must end here
        _tell(spec, {"error": repr(error)})
    os._exit(_DID_NOT_START)


def _prepare(spec: dict[str, Any]) -> None:
    """Give up all that the command does not get."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; programs expect to die of it
    os.fchdir(spec["cwd_fd"])
    os.close(spec["cwd_fd"])
    limit(
        max_memory_bytes=spec["max_memory_bytes"],
        max_file_bytes=spec["max_file_bytes"],
        max_cpu_s=spec["max_cpu_s"],
        max_processes=spec["max_processes"],
    )
    if sys.platform == "linux":
        give_up_privileges()
    if spec["is_fenced"]:
        network: bool = spec["network"]
        fence(writable=spec["writable"], readable=spec["readable"], network=network)
        if not forbid(network=network):
            raise OSError("this machine has no filter for system calls")


def _start(spec: dict[str, Any]) -> None:
    """Run the very file that was looked at; its name may stand for another one by now."""
    argv: list[str] = spec["argv"]
    env: dict[str, str] = spec["env"]
    program: int = spec["program_fd"]
    if not spec["is_script"] and os.execve in os.supports_fd:
        os.set_inheritable(program, False)
        os.execve(program, argv, env)  # noqa: S606 - no shell is the point
    # An interpreter opens a script by its name.
    seen, held = Path(spec["path"]).stat(), os.fstat(program)
    if (seen.st_dev, seen.st_ino) != (held.st_dev, held.st_ino):
        raise OSError("the program was replaced while it was started")
    os.close(program)
    os.execve(spec["path"], argv, env)  # noqa: S606 - as above


def _tell(spec: dict[str, Any], news: dict[str, Any]) -> None:
    os.write(spec["status_fd"], json.dumps(news).encode() + b"\n")


def _end_all(_number: int, _frame: FrameType | None) -> None:
    """End everything in this group, this process included."""
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
