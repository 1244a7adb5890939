"""The system calls that are left to the two processes once they look at foreign code.

Neither may open a file, make a socket or start a program. The worker has its threads already;
the compiler starts some, so it keeps what that takes.
"""

from __future__ import annotations

from typing import Final

from carapace.confine import COMPUTING, SystemCall

__all__ = ["COMPILER_CALLS", "WORKER_CALLS"]

WORKER_CALLS: Final = (*COMPUTING, SystemCall("poll", 7, None), SystemCall("ppoll", 271, 73))

COMPILER_CALLS: Final = (
    *WORKER_CALLS,
    SystemCall("clone", 56, 220),
    SystemCall("set_robust_list", 273, 99),
    SystemCall("clone3", 435, 435),
)
