"""What a child process gives up before it reads a byte of somebody else's file.

Native code that parses files has bugs; a bug there should find no privileges to gain, no
files to write and no gateway left to outlive. `confine` sets limits; `seal` then takes all
system calls but those on a list, which fail as if not permitted.

Sources: prctl(2), setrlimit(2), seccomp(2), and the kernel's tables of system calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["COMPUTING", "SystemCall", "confine", "filter_program", "seal"]

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2
_MAX_OPEN_FILES = 256
_NICE = 5  # such work uses all cores; the gateway's own loop comes first

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_REFUSE: Final = 0x0005_0000 | errno.EPERM
_AT_NUMBER: Final = 0  # offsets in struct seccomp_data
_AT_MACHINE: Final = 4
_X32: Final = 0x4000_0000  # a second set of numbers on x86-64
_MAX_JUMP: Final = 255  # a jump is one byte
_MARKS: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}


class SystemCall(NamedTuple):
    """One call that a sealed process keeps, with its number on each machine; None: not there."""

    name: str
    on_x86_64: int | None
    on_aarch64: int | None


COMPUTING: Final = (
    SystemCall("read", 0, 63),
    SystemCall("write", 1, 64),
    SystemCall("close", 3, 57),
    SystemCall("fstat", 5, 80),
    SystemCall("lseek", 8, 62),
    SystemCall("mmap", 9, 222),
    SystemCall("mprotect", 10, 226),
    SystemCall("munmap", 11, 215),
    SystemCall("brk", 12, 214),
    SystemCall("rt_sigaction", 13, 134),
    SystemCall("rt_sigprocmask", 14, 135),
    SystemCall("rt_sigreturn", 15, 139),
    SystemCall("sched_yield", 24, 124),
    SystemCall("mremap", 25, 216),
    SystemCall("madvise", 28, 233),
    SystemCall("getpid", 39, 172),
    SystemCall("exit", 60, 93),
    SystemCall("sigaltstack", 131, 132),
    SystemCall("gettid", 186, 178),
    SystemCall("futex", 202, 98),
    SystemCall("sched_getaffinity", 204, 123),
    SystemCall("restart_syscall", 219, 128),
    SystemCall("clock_gettime", 228, 113),
    SystemCall("clock_nanosleep", 230, 115),
    SystemCall("exit_group", 231, 94),
    SystemCall("tgkill", 234, 131),
    SystemCall("getrandom", 318, 278),
    SystemCall("rseq", 334, 293),
)
"""What computing with memory and open pipes takes: no call that opens, connects or starts."""


def confine(
    parent_pid: int,
    *,
    max_memory_bytes: int | None = None,
    max_data_bytes: int | None = None,
    max_cpu_s: int | None = None,
) -> None:
    """Narrow this process.

    Everywhere: lower priority. POSIX: no core dumps (they hold conversations), few open files,
    no file may be written. Linux: no new privileges, and death together with the parent, even
    if that is killed without warning.

    Args:
        parent_pid: The process that started this one.
        max_memory_bytes: Cap of the address space; macOS does not enforce it.
        max_data_bytes: Cap of memory that is private and can be written, for a process that only
            reserves much more; macOS does not enforce it.
        max_cpu_s: Seconds of CPU time after which the kernel ends the process.

    Raises:
        OSError: If the kernel refuses, or the parent is gone already.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - exists on POSIX only

    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _cap(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    if max_memory_bytes is not None:
        _cap(resource.RLIMIT_AS, max_memory_bytes)
    if max_data_bytes is not None:
        _cap(resource.RLIMIT_DATA, max_data_bytes)
    if max_cpu_s is not None:
        _cap(resource.RLIMIT_CPU, max_cpu_s)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
        _prctl(libc, _PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the kernel was told
        raise ProcessLookupError("the gateway is gone")


def _cap(limit: int, most: int) -> None:
    """Lower one limit, for good; one that is lower already stays."""
    import resource  # noqa: PLC0415 - exists on POSIX only

    _, hard = resource.getrlimit(limit)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(limit, (allowed, allowed))


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    unused = (ctypes.c_ulong(0),) * 3
    if libc.prctl(option, ctypes.c_ulong(value), *unused) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def filter_program(machine: str, calls: Sequence[SystemCall]) -> bytes | None:
    """The filter for a machine as `platform.machine` names it, or None if there is none. Pure."""
    mark = _MARKS.get(machine)
    if mark is None:
        return None
    all_numbers = (call.on_x86_64 if machine == "x86_64" else call.on_aarch64 for call in calls)
    numbers = [number for number in all_numbers if number is not None]
    if len(numbers) > _MAX_JUMP:
        raise ValueError(f"a filter has room for {_MAX_JUMP} calls")
    steps = [
        (_LOAD, 0, 0, _AT_MACHINE),
        (_IF_EQUAL, 1, 0, mark),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_IF_AT_LEAST, len(numbers), 0, _X32),
        *((_IF_EQUAL, len(numbers) - at, 0, one) for at, one in enumerate(numbers)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def seal(calls: Sequence[SystemCall]) -> bool:
    """Leave this thread, and those it starts from now on, only these system calls.

    It must have no way to new privileges (`confine` sees to that).

    Returns:
        False if this system has no seal.

    Raises:
        OSError: If the kernel refuses.
    """
    program = filter_program(platform.machine(), calls) if sys.platform == "linux" else None
    if program is None:
        return False
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    unused = (ctypes.c_ulong(0),) * 2
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), head, *unused) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return True
