"""What a child process gives up before it reads a byte of somebody else's file.

Native code that parses files has bugs; a bug there should find no privileges to gain, no
files to write and no gateway left to outlive. `confine` sets limits; `seal` then takes all
system calls but those on a list, which fail as if not permitted.

A command that somebody asked for is no parser: it may open files and start others. For it there
are `fence` (which files it reaches, by Landlock), `forbid` (which system calls it does not get)
and `give_up_privileges`. `docs/explain/exec.md` says what that leaves open.

Sources: prctl(2), setrlimit(2), seccomp(2), landlock(7), capabilities(7), and the kernel's tables
of system calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import stat
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

__all__ = [
    "COMPUTING",
    "FORBIDDEN",
    "SystemCall",
    "can_fence",
    "confine",
    "denial_program",
    "fence",
    "filter_program",
    "forbid",
    "give_up_privileges",
    "limit",
    "seal",
]

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
_IF_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_NO_SUCH_CALL: Final = 0x0005_0000 | errno.ENOSYS
_AT_FIRST_ARGUMENT: Final = 16  # its lower half; both machines are little-endian
_NEW_NAMESPACES: Final = 0x7E02_0000  # CLONE_NEWNS and its like
_NETWORK_FAMILIES: Final = (2, 10, 16)  # AF_INET, AF_INET6, AF_NETLINK: never AF_UNIX

_PR_CAPBSET_DROP: Final = 24
_CAPABILITY_VERSION_3: Final = 0x2008_0522
_MAX_CAPABILITY: Final = 63

_CREATE_RULESET: Final = 444  # Landlock's calls have the same numbers on every machine
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_WHICH_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_RUN: Final = 1 << 0
_WRITE: Final = 1 << 1
_READ: Final = 1 << 2
_LIST: Final = 1 << 3
_TRUNCATE: Final = 1 << 14
_RIGHTS_OF_VERSION: Final = {
    1: (1 << 13) - 1,
    2: (1 << 14) - 1,  # moving files between folders
    3: (1 << 15) - 1,  # cutting files short
    4: (1 << 15) - 1,
}
_ALL_RIGHTS: Final = (1 << 16) - 1  # since version 5: commands to devices
_OF_FILES: Final = _RUN | _WRITE | _READ | _TRUNCATE
_TCP: Final = 0b11  # bind and connect, since version 4
_SCOPES: Final = 0b11  # abstract sockets and signals, since version 6


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

FORBIDDEN: Final = (
    # other processes and the machine
    SystemCall("ptrace", 101, 117),
    SystemCall("process_vm_readv", 310, 270),
    SystemCall("process_vm_writev", 311, 271),
    SystemCall("pidfd_getfd", 438, 438),
    SystemCall("kcmp", 312, 272),
    SystemCall("reboot", 169, 142),
    SystemCall("kexec_load", 246, 104),
    SystemCall("kexec_file_load", 320, 294),
    SystemCall("init_module", 175, 105),
    SystemCall("finit_module", 313, 273),
    SystemCall("delete_module", 176, 106),
    SystemCall("bpf", 321, 280),
    SystemCall("perf_event_open", 298, 241),
    SystemCall("userfaultfd", 323, 282),
    SystemCall("add_key", 248, 217),
    SystemCall("request_key", 249, 218),
    SystemCall("keyctl", 250, 219),
    # ways around the filter and the fence
    SystemCall("io_uring_setup", 425, 425),
    SystemCall("io_uring_enter", 426, 426),
    SystemCall("io_uring_register", 427, 427),
    SystemCall("mount", 165, 40),
    SystemCall("umount2", 166, 39),
    SystemCall("pivot_root", 155, 41),
    SystemCall("chroot", 161, 51),
    SystemCall("open_tree", 428, 428),
    SystemCall("move_mount", 429, 429),
    SystemCall("fsopen", 430, 430),
    SystemCall("fsconfig", 431, 431),
    SystemCall("fsmount", 432, 432),
    SystemCall("fspick", 433, 433),
    SystemCall("mount_setattr", 442, 442),
    SystemCall("open_by_handle_at", 304, 265),
    SystemCall("unshare", 272, 97),
    SystemCall("setns", 308, 268),
    # changes of files that the fence does not see
    SystemCall("truncate", 76, 45),
    SystemCall("chmod", 90, None),
    SystemCall("fchmodat", 268, 53),
    SystemCall("fchmodat2", 452, 452),
    SystemCall("chown", 92, None),
    SystemCall("lchown", 94, None),
    SystemCall("fchownat", 260, 54),
    SystemCall("setxattr", 188, 5),
    SystemCall("lsetxattr", 189, 6),
    SystemCall("removexattr", 197, 14),
    SystemCall("lremovexattr", 198, 15),
    SystemCall("setxattrat", 463, 463),
    SystemCall("removexattrat", 466, 466),
    # leaving the group that is ended as a whole
    SystemCall("setsid", 112, 157),
    SystemCall("setpgid", 109, 154),
)
"""What a command does not get, whatever it is."""

_CLONE: Final = SystemCall("clone", 56, 220)
_CLONE3: Final = SystemCall("clone3", 435, 435)
_SOCKET: Final = SystemCall("socket", 41, 198)


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


def limit(
    *, max_memory_bytes: int, max_file_bytes: int, max_cpu_s: int, max_processes: int
) -> None:
    """Narrow this process and what it starts, for good; POSIX only.

    Args:
        max_memory_bytes: Of private memory that can be written, each process.
        max_file_bytes: Of one file.
        max_cpu_s: Of each process.
        max_processes: Of this user besides those that run; Linux only, and it spares root.
    """
    import resource  # noqa: PLC0415 - exists on POSIX only

    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _cap(resource.RLIMIT_FSIZE, max_file_bytes)
    _cap(resource.RLIMIT_NOFILE, 4 * _MAX_OPEN_FILES)
    _cap(resource.RLIMIT_DATA, max_memory_bytes)
    _cap(resource.RLIMIT_CPU, max_cpu_s)
    if sys.platform == "linux":  # elsewhere nobody tells cheaply how many there are
        _cap(resource.RLIMIT_NPROC, _threads_of_user() + max_processes)


def _threads_of_user() -> int:
    """How many threads this user has now; the kernel counts these, not programs."""
    found, user = 0, os.getuid()
    with suppress(OSError):  # no such folder: the count is of a part of the truth anyway
        for entry in os.scandir("/proc"):
            with suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == user:
                    found += len(os.listdir(f"/proc/{entry.name}/task"))  # noqa: PTH208 - fast
    return found


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


def denial_program(machine: str, *, network: bool) -> bytes | None:
    """The filter that takes `FORBIDDEN` from a machine, or None if there is none. Pure.

    Besides: no new namespaces, and no sockets, or only those of the network with `network`.
    """
    mark = _MARKS.get(machine)
    if mark is None:
        return None

    def number(call: SystemCall) -> int | None:
        return call.on_x86_64 if machine == "x86_64" else call.on_aarch64

    families = _NETWORK_FAMILIES if network else ()
    steps = [
        (_LOAD, 0, 0, _AT_MACHINE),
        (_IF_EQUAL, 1, 0, mark),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE),
        # Its flags lie in memory, where a filter cannot look; libraries fall back to `clone`.
        (_IF_EQUAL, 0, 1, number(_CLONE3) or 0),
        (_RETURN, 0, 0, _NO_SUCH_CALL),
        (_IF_EQUAL, 0, 4, number(_CLONE) or 0),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_IF_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
        (_IF_EQUAL, 0, len(families) + 3, number(_SOCKET) or 0),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        *((_IF_EQUAL, len(families) - at, 0, one) for at, one in enumerate(families)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    numbers = [found for call in FORBIDDEN if (found := number(call)) is not None]
    steps += [(_IF_EQUAL, len(numbers) - at, 0, one) for at, one in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def forbid(*, network: bool) -> bool:
    """Take `FORBIDDEN` from this thread and all it starts, and the way to new privileges.

    Args:
        network: Whether it may open connections.

    Returns:
        False if this system has no such filter.

    Raises:
        OSError: If the kernel refuses.
    """
    machine = platform.machine() if sys.platform == "linux" else ""
    program = denial_program(machine, network=network)
    if program is None:
        return False
    _prctl(ctypes.CDLL(None, use_errno=True), _PR_SET_NO_NEW_PRIVS, 1)
    _install(program)
    return True


def give_up_privileges() -> None:
    """Drop every capability for good, so that root is a user who owns root's files; Linux only.

    Raises:
        OSError: If the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    if os.geteuid() == 0:
        for number in range(_MAX_CAPABILITY + 1):
            with suppress(OSError):  # above the last one that this kernel has
                _prctl(libc, _PR_CAPBSET_DROP, number)
    head = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if libc.capset(head, bytes(24)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def can_fence() -> bool:
    """Whether this system has both `fence` and `forbid`."""
    return (
        sys.platform == "linux"
        and denial_program(platform.machine(), network=False) is not None
        and _landlock_version() > 0
    )


def fence(*, writable: Sequence[str], readable: Sequence[str], network: bool) -> None:
    """Leave this thread, and all it starts, only these files; it must have no new privileges.

    Args:
        writable: Folders in which everything may be done, and devices that may be written.
        readable: Folders and files that may be read and run; those that are missing are skipped.
        network: Whether it may open TCP connections; older kernels do not ask here.

    Raises:
        OSError: If the kernel refuses or has no Landlock, or a writable folder is missing.
    """
    version = _landlock_version()
    if version <= 0:
        raise OSError(errno.ENOSYS, "this system has no Landlock")
    rights = _RIGHTS_OF_VERSION.get(version, _ALL_RIGHTS)
    ruleset = _ruleset(version, rights, network=network)
    try:
        for path in writable:
            _allow(ruleset, path, rights)
        for path in readable:
            with suppress(FileNotFoundError):
                _allow(ruleset, path, rights & (_RUN | _READ | _LIST))
        _landlock(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset(version: int, rights: int, *, network: bool) -> int:
    """An empty set of rules: what it handles is refused unless a rule allows it."""
    fields = [rights]
    if version >= 4:  # noqa: PLR2004 - TCP came with 4
        fields.append(0 if network else _TCP)
    if version >= 6:  # noqa: PLR2004 - scopes came with 6
        fields.append(_SCOPES)
    head = struct.pack(f"={len(fields)}Q", *fields)
    return _landlock(_CREATE_RULESET, head, ctypes.c_size_t(len(head)), 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(found).st_mode):
            rights &= _OF_FILES
        _landlock(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, found), 0)
    finally:
        os.close(found)


def _landlock_version() -> int:
    try:
        return _landlock(_CREATE_RULESET, None, ctypes.c_size_t(0), _WHICH_VERSION)
    except OSError:
        return 0


def _landlock(call: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(call), *arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


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
    _install(program)
    return True


def _install(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    unused = (ctypes.c_ulong(0),) * 2
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), head, *unused) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
