"""What is open in this process, by what is behind it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

__all__ = ["of_children"]

_KINDS: Final = ("pipe:", "socket:", "anon_inode:[pidfd]")
_OURS: Final = "carapace-plugin"  # sealed bytes, in memory or in a file without a name


def of_children() -> Counter[str]:
    """Descriptors that serve other processes: sealed bytes, pipes, sockets, processes.

    Other files are left out: a thread that an earlier test left to end may open or close one at any
    moment, which says nothing of the test that counts.
    """
    seen: Counter[str] = Counter()
    for fd in Path("/proc/self/fd").iterdir():
        try:
            target = str(fd.readlink())
        except FileNotFoundError:  # the listing's own
            continue
        if target.startswith(_KINDS) or _OURS in target:
            seen[target] += 1
    return seen
