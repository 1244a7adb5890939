"""An install command is run without a shell, without our keys, and not for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.agent.skills.install_run import _MAX_OUTPUT_BYTES, run_install
from support.skills import make_program


async def test_what_it_says_and_its_code_are_kept(tmp_path: Path):
    program = make_program(tmp_path, "p", 'echo "$1"; echo bad >&2; exit 3')
    run = await run_install((str(program), "a; echo $HOME"), {}, timeout_s=10)
    assert (run.code, run.stdout, run.stderr) == (3, "a; echo $HOME", "bad")


async def test_none_of_our_keys_is_in_its_environment(tmp_path: Path):
    program = make_program(tmp_path, "p", "env")
    environ = {**os.environ, "OPENAI_API_KEY": "k", "HOME": "/home/x", "LD_PRELOAD": ""}
    run = await run_install((str(program),), environ, timeout_s=10)
    assert "HOME=/home/x" in run.stdout
    assert "OPENAI_API_KEY" not in run.stdout
    assert "LD_PRELOAD" not in run.stdout


@pytest.mark.slow
async def test_one_that_does_not_end_is_ended_with_its_children(tmp_path: Path):
    # A child that keeps the pipe open would otherwise hold us until it ends.
    program = make_program(tmp_path, "p", "echo begun; sleep 60 & sleep 60")
    run = await run_install((str(program),), dict(os.environ), timeout_s=0.3)
    assert run.code is None
    assert "stopped after 0.3 s" in (run.trouble or "")


async def test_only_the_end_of_a_long_output_is_kept(tmp_path: Path):
    script = f"head -c {_MAX_OUTPUT_BYTES * 2} /dev/zero | tr '\\0' x; echo end"
    run = await run_install(
        (str(make_program(tmp_path, "p", script)),), dict(os.environ), timeout_s=20
    )
    assert len(run.stdout) <= _MAX_OUTPUT_BYTES
    assert run.stdout.endswith("xend")


async def test_a_program_that_is_not_there_is_told(tmp_path: Path):
    run = await run_install((str(tmp_path / "gone"),), {}, timeout_s=5)
    assert run.code is None
    assert "cannot be started" in (run.trouble or "")
