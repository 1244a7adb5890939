"""The engine is confined before it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.agent.speech.command import run_engine
from carapace.agent.speech.launch import main
from support.skills import make_program


@pytest.mark.slow
async def test_an_engine_may_not_write_a_file(tmp_path: Path):
    target = tmp_path / "written"
    program = make_program(tmp_path, "p", f"cat >/dev/null; echo x > {target}; echo $?")
    out = await run_engine((str(program),), "", timeout_s=20)
    assert out.strip() != b"0"
    assert not target.exists() or target.read_text() == ""


def test_it_does_not_run_for_a_gateway_that_is_gone(monkeypatch: pytest.MonkeyPatch):
    ran: list[list[str]] = []

    def confine(parent_pid: int, **limits: int) -> None:
        assert limits["max_cpu_s"] > 0
        if parent_pid != os.getppid():
            raise ProcessLookupError("the gateway is gone")

    monkeypatch.setattr("carapace.agent.speech.launch.confine", confine)
    monkeypatch.setattr(os, "execv", lambda path, argv: ran.append([path, *argv]))
    with pytest.raises(ProcessLookupError):
        main(["1", "/bin/false"])
    main([str(os.getppid()), "/bin/echo", "a"])
    assert ran == [["/bin/echo", "/bin/echo", "a"]]
