"""A pattern is one exact command; what is no such thing stands for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from carapace.agent.exec.allowing import is_allowed, is_granted
from carapace.agent.exec.types import Command

LS = Command(
    argv=("ls", "-l"),
    path=Path("/usr/bin/ls"),
    cwd=Path("/w"),
    env={},
    digest="ab" * 32,
    is_script=False,
    is_carrier=False,
)


@pytest.mark.parametrize(
    ("argv", "pattern", "is_there"),
    [
        (("ls",), "/usr/bin/ls", True),
        (("/usr/bin/ls",), "/usr/bin/ls", True),
        (("ls", "-l"), "/usr/bin/ls", False),
        (("ls", "-l"), '["/usr/bin/ls","-l"]', True),
        (("ls", "-l"), '["/usr/bin/ls","-l","/"]', False),
        (("ls", "-l"), '["/usr/bin/ls","*"]', False),
        (("ls",), "ls", False),
        (("ls",), "/usr/bin/*", False),
        (("ls",), "/usr/**", False),
        (("ls",), "*", False),
        (("ls",), "/USR/BIN/LS", False),
        (("ls",), "[", False),
        (("ls",), '["/usr/bin/ls",1]', False),
        (("ls",), "[]", False),
        (("ls",), "", False),
        (("ls",), "/usr/bin/ls\0", False),
        (("ls",), "digest:" + "ab" * 32, True),
        (("ls",), "digest:" + "cd" * 32, False),
        (("ls",), "digest:", False),
    ],
)
def test_patterns_stand_for_exactly_one_command(
    argv: tuple[str, ...], pattern: str, is_there: bool
):
    command = replace(LS, argv=argv, path=Path("/usr/bin/ls"))
    assert is_allowed(command, [pattern]) is is_there


def test_a_path_is_followed_to_the_program_it_names(tmp_path: Path):
    (tmp_path / "link").symlink_to("/usr/bin/ls")
    command = replace(LS, argv=("ls",), path=Path("/usr/bin/ls").resolve())
    assert is_allowed(command, [str(tmp_path / "link")])


def test_a_carrier_is_never_allowed_by_a_pattern():
    carrier = replace(LS, argv=("ls",), is_carrier=True)
    patterns = ["/usr/bin/ls", json.dumps(["/usr/bin/ls"]), "digest:" + LS.digest]
    assert not is_allowed(carrier, patterns)
    assert is_granted(LS.digest, patterns)
