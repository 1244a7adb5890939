from __future__ import annotations

import pytest

from carapace.plugins.errors import GuestTrap, TrapKind
from carapace.plugins.worker.quirks import OversizeError
from carapace.plugins.worker.traps import trap_of

PANIC = "error while executing at wasm backtrace:\n    0: 0x1 - <unknown>!f\n\nCaused by:\n    "


@pytest.mark.parametrize(
    ("error", "printed", "kind"),
    [
        (RuntimeError(PANIC + "wasm trap: interrupt"), "", "deadline"),
        (RuntimeError(PANIC + "wasm trap: call stack exhausted"), "", "stack"),
        (RuntimeError(PANIC + "wasm trap: out of bounds memory access"), "", "crash"),
        (RuntimeError("memory minimum size of 2 pages exceeds memory limits"), "", "memory"),
        (RuntimeError("too many bytes of fuel allocated for hostcalls"), "", "size"),
        (RuntimeError(PANIC + "wasm `unreachable`"), "x\nMemoryError: no\n", "memory"),
        (RuntimeError(PANIC + "wasm `unreachable`"), "object type name: MemoryError\n", "memory"),
        (RuntimeError(PANIC + "wasm `unreachable`"), "InternalError: out of memory\n", "memory"),
        (
            RuntimeError(PANIC + "wasm `unreachable`"),
            "memory allocation of 9 bytes failed",
            "memory",
        ),
        (RuntimeError(PANIC + "wasm `unreachable`"), "it says MemoryError in a text", "crash"),
        (OversizeError("a text of 9 bytes"), "", "size"),
        (MemoryError(), "", "memory"),
        (GuestTrap("output", "too much"), "", "output"),
        (RuntimeError(), "", "crash"),
    ],
)
def test_a_stop_is_told_by_its_last_words(error: Exception, printed: str, kind: TrapKind):
    trap = trap_of(error, printed)
    assert trap.kind == kind
    assert trap.text
    assert "\n" not in trap.text


def test_the_text_is_short_whatever_the_library_says():
    assert len(trap_of(RuntimeError("x" * 10_000), "").text) == 300
