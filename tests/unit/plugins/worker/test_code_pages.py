"""Pages of code are given back, and the code runs on."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from carapace.plugins.worker import code_pages

MAPS = """\
7f0000000000-7f0000001000 r--p 00000000 fe:00 40 /venv/wasmtime/_libwasmtime.so
7f0000001000-7f0000005000 r-xp 00001000 fe:00 40 /venv/wasmtime/_libwasmtime.so
7f0000005000-7f0000006000 r--p 00005000 fe:00 40 /venv/wasmtime/_libwasmtime.so
7f0000006000-7f0000007000 rw-p 00006000 fe:00 40 /venv/wasmtime/_libwasmtime.so
7f0000008000-7f0000009000 r-xp 00000000 fe:00 41 /home/_libwasmtime.so/lib/libm.so.6
7f000000a000-7f000000b000 r-xp 00000000 00:00 0
7f000000c000-7f000000d000 r-xp 00000000 fe:00 40 /a folder/_libwasmtime.so (deleted)
"""


def test_only_code_of_that_library_is_named():
    assert code_pages.code_ranges(MAPS, code_pages.ENGINE) == [
        (0x7F0000001000, 0x7F0000005000),
        (0x7F000000C000, 0x7F000000D000),
    ]


def resident_kb(library: str) -> int:
    """Of the library's code, as the kernel counts it."""
    total, is_ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line[0] in "0123456789abcdef":
            is_ours = " r-xp " in line and library in line
        elif is_ours and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_code_that_was_given_back_still_runs():
    library = "libm.so.6"
    cosine = ctypes.CDLL(library).cos
    cosine.restype, cosine.argtypes = ctypes.c_double, (ctypes.c_double,)
    assert cosine(0.0) == 1.0
    before = resident_kb(library)
    assert code_pages.give_back(library)
    assert resident_kb(library) < before
    assert cosine(0.0) == 1.0


def test_a_library_that_is_not_there_and_a_system_without_proc_give_nothing_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    assert not code_pages.give_back("no such library")
    monkeypatch.setattr(code_pages, "_MAPS", tmp_path / "none")
    assert not code_pages.give_back("libc")
