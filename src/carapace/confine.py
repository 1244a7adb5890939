"""What a child process gives up before it reads a byte of somebody else's file.

Native code that parses files has bugs; a bug there should find no privileges to gain, no
files to write and no gateway left to outlive.

Sources: prctl(2), setrlimit(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["confine"]

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_MAX_OPEN_FILES = 256
_NICE = 5  # such work uses all cores; the gateway's own loop comes first


def confine(
    parent_pid: int, *, max_memory_bytes: int | None = None, max_cpu_s: int | None = None
) -> None:
    """Narrow this process.

    Everywhere: lower priority. POSIX: no core dumps (they hold conversations), few open files,
    no file may be written. Linux: no new privileges, and death together with the parent, even
    if that is killed without warning.

    Args:
        parent_pid: The process that started this one.
        max_memory_bytes: Cap of the address space; macOS does not enforce it.
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
