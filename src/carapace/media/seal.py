"""Takes all system calls from a process but those that computing on open pipes needs.

Afterwards it can read, write, allocate and end. It cannot open a file, make a socket, start a
program or look at another process: the call fails as if not permitted. Linux on x86-64 and
ARM64 only; elsewhere nothing happens and `seal` says so.
"""

from __future__ import annotations

from typing import Final

from carapace import confine
from carapace.confine import COMPUTING, SystemCall

__all__ = ["CALLS", "seal"]

CALLS: Final = (*COMPUTING, SystemCall("pread64", 17, 67), SystemCall("writev", 20, 66))


def seal() -> bool:
    """Seal this process, which must have one thread and no way to new privileges.

    Returns:
        False if this system has no seal.

    Raises:
        OSError: If the kernel refuses.
    """
    return confine.seal(CALLS)
