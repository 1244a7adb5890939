"""What was looked at is held open, and let go together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.agent.exec.types import Command, OpenCommand


def test_an_open_command_lets_go_of_both_files(tmp_path: Path):
    command = Command(
        argv=("a", "b c"),
        path=tmp_path,
        cwd=tmp_path,
        env={},
        digest="d",
        is_script=False,
        is_carrier=False,
    )
    opened = OpenCommand(command, os.open(tmp_path, os.O_RDONLY), os.open(tmp_path, os.O_RDONLY))
    opened.close()
    for number in (opened.program_fd, opened.cwd_fd):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
    assert command.shown == "a 'b c'"
