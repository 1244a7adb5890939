"""Programs that run what they are told to are known by name, version and all."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from carapace.agent.exec.carriers import is_carrier


@pytest.mark.parametrize(
    "name",
    [
        "sh",
        "bash-5.2",
        "python3.11",
        "perl5.36.0",
        "node",
        "busybox",
        "env",
        "xargs",
        "git",
        "find",
        "x86_64-linux-gnu-gcc-12",
        "ld-linux-x86-64.so.2",
        "PowerShell.exe",
        "lua5.4",
    ],
)
def test_shells_interpreters_and_wrappers_are_carriers(name: str):
    assert is_carrier(PurePath("/usr/bin") / name, name)


@pytest.mark.parametrize("name", ["ls", "echo", "cat", "sha256sum", "date", "envsubst", "stat"])
def test_other_programs_are_not(name: str):
    assert not is_carrier(PurePath("/usr/bin") / name, f"/bin/{name}")


def test_a_program_is_also_what_it_was_called():
    assert is_carrier(PurePath("/usr/lib/many"), "bash")
    assert is_carrier(PurePath("/bin/busybox"), "ls")
