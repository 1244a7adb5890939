"""Programs are looked up once in a while."""

from __future__ import annotations

from pathlib import Path

from carapace.agent.skills.programs import Programs
from support.clock import FakeClock
from support.skills import make_program


async def test_a_program_is_remembered_for_half_a_minute(tmp_path: Path):
    clock = FakeClock()
    programs = Programs(str(tmp_path), clock)
    assert programs.find("crab") is None
    path = make_program(tmp_path, "crab")
    assert programs.find("crab") is None
    await clock.advance(31)
    assert programs.find("crab") == str(path)
    path.unlink()
    assert programs.find("crab") == str(path)
    programs.forget()
    assert programs.find("crab") is None


def test_a_path_is_no_program(tmp_path: Path):
    make_program(tmp_path, "crab")
    programs = Programs(str(tmp_path), FakeClock())
    assert programs.find(str(tmp_path / "crab")) is None
    assert programs.find("") is None
