"""The log file is private, bounded, and never raises."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.telemetry.log_file import LogFile


def test_lines_are_appended_privately(tmp_path: Path):
    file = LogFile(tmp_path / "logs" / "g.jsonl")
    file.write(b"one")
    file.write(b"two")
    assert file.path.read_bytes() == b"one\ntwo\n"
    assert file.size == 8
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    file.close()
    file.close()


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path):
    path = tmp_path / "g.jsonl"
    path.write_bytes(b"old\n")
    path.chmod(0o644)
    LogFile(path).write(b"new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_full_files_are_set_aside_up_to_a_count(tmp_path: Path):
    file = LogFile(tmp_path / "g.jsonl", max_bytes=10, max_files=2)
    for number in range(9):
        file.write(b"line%d" % number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.jsonl", "g.jsonl.1", "g.jsonl.2"]
    assert (tmp_path / "g.jsonl").read_bytes() == b"line8\n"
    assert (tmp_path / "g.jsonl.1").read_bytes() == b"line7\n"


def test_none_are_kept_if_none_are_wanted(tmp_path: Path):
    file = LogFile(tmp_path / "g.jsonl", max_bytes=6, max_files=0)
    file.write(b"line1")
    file.write(b"line2")
    assert [path.name for path in tmp_path.iterdir()] == ["g.jsonl"]
    assert file.path.read_bytes() == b"line2\n"


def test_a_disk_that_takes_nothing_loses_lines_and_says_how_many(tmp_path: Path):
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    file = LogFile(blocked / "g.jsonl")
    file.write(b"lost one")
    file.write(b"lost two")
    assert file.lost == 2
    assert file.size == 0
    assert file.last_lines(100) == []
    blocked.unlink()
    file.write(b"kept")
    assert file.lost == 0
    first, second = file.path.read_bytes().splitlines()
    assert b'"lines":2' in first
    assert second == b"kept"


def test_a_short_write_is_a_lost_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = LogFile(tmp_path / "g.jsonl")
    file.write(b"one")
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:2]))
    file.write(b"two")
    monkeypatch.undo()
    assert file.lost == 1
    file.write(b"three")
    lines = file.path.read_bytes().splitlines()
    assert lines[0] == b"one"
    assert lines[-1] == b"three"


def test_a_torn_last_line_does_not_swallow_the_next(tmp_path: Path):
    path = tmp_path / "g.jsonl"
    path.write_bytes(b'{"half')
    LogFile(path).write(b"whole")
    assert path.read_bytes() == b'{"half\nwhole\n'


def test_the_last_lines_are_whole(tmp_path: Path):
    file = LogFile(tmp_path / "g.jsonl")
    for number in range(5):
        file.write(b"line%d" % number)
    assert file.last_lines(14) == [b"line3", b"line4"]
    assert len(file.last_lines(1000)) == 5


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no such flag here")
def test_a_planted_link_is_not_followed(tmp_path: Path):
    target = tmp_path / "victim"
    target.write_text("")
    (tmp_path / "g.jsonl").symlink_to(target)
    file = LogFile(tmp_path / "g.jsonl")
    file.write(b"line")
    assert file.lost == 1
    assert target.read_text() == ""
