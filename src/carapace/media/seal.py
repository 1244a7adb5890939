"""Takes all system calls from a process but those that computing on open pipes needs.

Afterwards it can read, write, allocate and end. It cannot open a file, make a socket, start a
program or look at another process: the call fails as if not permitted. Linux on x86-64 and
ARM64 only; elsewhere nothing happens and `seal` says so.
"""

from __future__ import annotations

from typing import Final

from carapace import confine
from carapace.confine import SystemCall

__all__ = ["CALLS", "seal"]

CALLS: Final = (
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
    SystemCall("pread64", 17, 67),
    SystemCall("writev", 20, 66),
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


def seal() -> bool:
    """Seal this process, which must have one thread and no way to new privileges.

    Returns:
        False if this system has no seal.

    Raises:
        OSError: If the kernel refuses.
    """
    return confine.seal(CALLS)
