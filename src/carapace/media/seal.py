"""Takes all system calls from a process but those that computing on open pipes needs.

Afterwards it can read, write, allocate and end. It cannot open a file, make a socket, start a
program or look at another process: the call fails as if not permitted. Linux on x86-64 and
ARM64 only; elsewhere nothing happens and `seal` says so.

Source: seccomp(2), and the kernel's tables of system calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Final

__all__ = ["filter_program", "seal"]

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

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

# Name, number on x86-64, number on ARM64.
_CALLS: Final = (
    ("read", 0, 63),
    ("write", 1, 64),
    ("close", 3, 57),
    ("fstat", 5, 80),
    ("lseek", 8, 62),
    ("mmap", 9, 222),
    ("mprotect", 10, 226),
    ("munmap", 11, 215),
    ("brk", 12, 214),
    ("rt_sigaction", 13, 134),
    ("rt_sigprocmask", 14, 135),
    ("rt_sigreturn", 15, 139),
    ("pread64", 17, 67),
    ("writev", 20, 66),
    ("sched_yield", 24, 124),
    ("mremap", 25, 216),
    ("madvise", 28, 233),
    ("getpid", 39, 172),
    ("exit", 60, 93),
    ("sigaltstack", 131, 132),
    ("gettid", 186, 178),
    ("futex", 202, 98),
    ("sched_getaffinity", 204, 123),
    ("restart_syscall", 219, 128),
    ("clock_gettime", 228, 113),
    ("clock_nanosleep", 230, 115),
    ("exit_group", 231, 94),
    ("tgkill", 234, 131),
    ("getrandom", 318, 278),
    ("rseq", 334, 293),
)
_MACHINES: Final = {"x86_64": (0xC000_003E, 1), "aarch64": (0xC000_00B7, 2)}


def filter_program(machine: str) -> bytes | None:
    """The filter for a machine as `platform.machine` names it, or None if there is none. Pure."""
    known = _MACHINES.get(machine)
    if known is None:
        return None
    mark, column = known
    numbers = [int(row[column]) for row in _CALLS]
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


def seal() -> bool:
    """Seal this process, which must have one thread and no way to new privileges.

    Returns:
        False if this system has no seal.

    Raises:
        OSError: If the kernel refuses.
    """
    program = filter_program(platform.machine()) if sys.platform == "linux" else None
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
