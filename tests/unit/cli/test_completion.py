"""`cara completion` prints a script that a shell can read."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from support.command import Command

BASH = shutil.which("bash") or ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_verbs(cara: Command, shell: str):
    done = cara("completion", shell)
    assert done.code == 0
    assert "doctor" in done.out


@pytest.mark.skipif(not BASH, reason="no bash here")
def test_bash_can_read_it(cara: Command):
    script = cara("completion", "bash").out
    subprocess.run([BASH, "-n"], input=script.encode(), check=True, capture_output=True)


def test_another_shell_is_a_usage_error(cara: Command):
    assert cara("completion", "tcsh").code == 2
