"""What a stop of the machine was about, read from the last things it said.

The library gives a text and no code; the texts are those of wasmtime 50, and tests hold them.
"""

from __future__ import annotations

import re
from typing import Final

from carapace.plugins.errors import GuestTrap, TrapKind
from carapace.plugins.worker.quirks import OversizeError

__all__ = ["trap_of"]

_MAX_TEXT: Final = 300
_KINDS: Final[tuple[tuple[TrapKind, re.Pattern[str]], ...]] = (
    ("deadline", re.compile(r"wasm trap: interrupt")),
    ("stack", re.compile(r"call stack exhausted")),
    ("size", re.compile(r"fuel allocated for hostcalls")),
    ("memory", re.compile(r"memory minimum size|exceeds memory limits|forcing trap when growing")),
)
_OUT_OF_MEMORY: Final = re.compile(
    r"^\s*(?:(?:object type name: )?MemoryError\b|(?:\w*Error: )?out of memory\b"
    r"|memory allocation of \d+ bytes failed)",
    re.IGNORECASE | re.MULTILINE,
)
"""What runtimes print before they give up; the machine itself says no more than `unreachable`."""


def trap_of(error: BaseException, printed: str) -> GuestTrap:
    """The error as a trap. Pure.

    Args:
        error: As it came out of the call.
        printed: The end of what the guest printed during the call.
    """
    if isinstance(error, GuestTrap):
        return error
    if isinstance(error, OversizeError):
        return GuestTrap("size", f"it handed over {error}, which is more than a call may carry")
    if isinstance(error, MemoryError):
        return GuestTrap("memory", "the process of the plugin has no memory left")
    said = str(error)
    text = _last_line(said)
    for kind, pattern in _KINDS:
        if pattern.search(said):
            return GuestTrap(kind, text)
    if _OUT_OF_MEMORY.search(printed):
        return GuestTrap("memory", f"it ran out of memory ({text})")
    return GuestTrap("crash", text)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_MAX_TEXT] if lines else "it ended without a word"
