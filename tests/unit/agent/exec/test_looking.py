"""A command is looked at twice, and equal digests mean that nothing changed in between."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from carapace.agent.exec import looking
from carapace.agent.exec.looking import look_at
from carapace.agent.tools.registry import ToolTrouble
from support.commands import Yard, script


def open_count() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_two_looks_at_the_same_command_agree_and_hold_it_open(yard: Yard):
    first, second = (look_at(["echo", "hi"], None, yard.look) for _ in range(2))
    try:
        assert first.command == second.command
        assert first.command.path == Path(os.path.realpath("/usr/bin/echo"))
        assert os.fstat(first.program_fd).st_ino == first.command.path.stat().st_ino
        assert os.fstat(first.cwd_fd).st_ino == yard.root.stat().st_ino
    finally:
        first.close()
        second.close()


def test_looks_leave_nothing_open(yard: Yard):
    before = open_count()
    yard.command(["echo"])
    for argv in (["no-such-program"], ["/etc/passwd"], ["/"], ["echo", "\0"]):
        with pytest.raises(ToolTrouble):
            yard.command(argv)
    assert open_count() == before


def test_every_part_that_decides_what_happens_is_bound(yard: Yard):
    (yard.root / "a").mkdir()
    (yard.root / "n.txt").write_text("1")
    argv = ["cat", "n.txt"]
    base = yard.command(argv).digest
    digests = {
        base,
        yard.command(["cat", "n.txt", ""]).digest,
        yard.command(["cat", "./n.txt"]).digest,
        yard.command(["head", "n.txt"]).digest,
        yard.command(argv, "a").digest,
        dataclasses.replace(yard, env={**yard.env, "LANG": "C"}).command(argv).digest,
        dataclasses.replace(yard, network=True).command(argv).digest,
        dataclasses.replace(yard, is_fenced=False).command(argv).digest,
    }
    (yard.root / "n.txt").write_text("2")
    digests.add(yard.command(argv).digest)
    assert len(digests) == 9


def test_a_program_that_was_changed_is_another_command(yard: Yard, tmp_path: Path):
    program = script(tmp_path / "bin" / "tool")
    before = yard.command([str(program)])
    script(program, "#!/bin/sh\necho evil\n")
    assert yard.command([str(program)]).digest != before.digest
    assert before.is_script
    assert before.is_carrier


def test_a_folder_that_was_swapped_is_another_command(yard: Yard):
    (yard.root / "d").mkdir()
    before = yard.command(["ls"], "d").digest
    (yard.root / "d").rename(yard.root / "old")
    (yard.root / "d").mkdir()
    assert yard.command(["ls"], "d").digest != before


def test_very_large_files_are_bound_by_their_facts(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(looking, "_MAX_HASHED_BYTES", 3)
    big = yard.root / "big"
    big.write_text("12345")
    before = yard.command(["cat", "big"]).digest
    assert yard.command(["cat", "big"]).digest == before
    big.write_text("54321")
    os.utime(big, ns=(1, 1))
    assert yard.command(["cat", "big"]).digest != before


def test_a_bare_name_is_never_looked_for_in_the_workspace(yard: Yard):
    script(yard.root / "bin" / "echo")
    inside = dataclasses.replace(yard, env={**yard.env, "PATH": f"{yard.root}/bin:/usr/bin"})
    assert inside.command(["echo"]).path == Path(os.path.realpath("/usr/bin/echo"))


def test_programs_of_the_workspace_run_by_path_and_are_carriers(yard: Yard):
    script(yard.root / "tool")
    for name in ("./tool", str(yard.root / "tool")):
        found = yard.command([name])
        assert found.path == yard.root / "tool"
        assert found.is_carrier


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-program"], "There is no program"),
        (["echo hi; id"], "There is no program"),
        (["../../bin/sh"], "leads out of the workspace"),
        (["/etc/passwd"], "is no program"),
        (["/no/such"], "cannot be run"),
        (["/usr"], "is no program"),
        (["echo", "a\0b"], "zero byte"),
    ],
)
def test_what_cannot_run_says_why(yard: Yard, argv: list[str], words: str):
    with pytest.raises(ToolTrouble, match=words):
        yard.command(argv)


def test_arguments_that_name_no_plain_file_are_only_text(yard: Yard):
    os.mkfifo(yard.root / "queue")
    (yard.root / "locked").symlink_to(yard.root / "nowhere")
    command = yard.command(["echo", "queue", "locked", "/dev/null", "/", "x" * 5_000])
    assert command.digest


def test_a_failing_digest_leaves_nothing_open(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> str:
        raise OSError("unreadable")

    monkeypatch.setattr(looking, "_digest", broken)
    before = open_count()
    with pytest.raises(OSError, match="unreadable"):
        yard.command(["echo"])
    assert open_count() == before
