"""The system calls that are left to the two processes once they look at foreign code.

Neither may open a file, make a socket or start a program. The worker has its threads already;
the compiler starts some, so it keeps what that takes.
"""

from __future__ import annotations

from typing import Final

from carapace.confine import SystemCall

__all__ = ["COMPILER_CALLS", "WORKER_CALLS"]

WORKER_CALLS: Final = (
    SystemCall("read", 0, 63),
    SystemCall("write", 1, 64),
    SystemCall("close", 3, 57),
    SystemCall("fstat", 5, 80),
    SystemCall("poll", 7, None),
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
    SystemCall("ppoll", 271, 73),
    SystemCall("getrandom", 318, 278),
    SystemCall("rseq", 334, 293),
)

COMPILER_CALLS: Final = (
    *WORKER_CALLS,
    SystemCall("clone", 56, 220),
    SystemCall("set_robust_list", 273, 99),
    SystemCall("clone3", 435, 435),
)
