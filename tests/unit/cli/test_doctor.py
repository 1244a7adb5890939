"""`cara doctor` shows findings and mends only what one agrees to."""

from __future__ import annotations

import io
import sys

import pytest

from support.command import Command

NOWHERE = ("--url", "ws://127.0.0.1:9")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def open_file(cara: Command):
    cara.write_config("{}")
    cara.config.chmod(0o644)
    return cara.config


def is_open(path) -> bool:
    return path.stat().st_mode & 0o077 != 0


def test_without_fix_nothing_changes(cara: Command, open_file):
    done = cara("doctor", *NOWHERE)
    assert done.code == 1
    assert "BAD   state folder" in done.out
    assert "next: Close them: cara doctor --fix" in done.out
    assert is_open(open_file)


def test_fix_asks_and_takes_no_for_an_answer(
    cara: Command, open_file, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert cara("doctor", "--fix", *NOWHERE).code == 1
    assert is_open(open_file)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    done = cara("doctor", "--fix", *NOWHERE)
    assert "confirm with --yes" in done.out
    assert is_open(open_file)


def test_fix_mends_what_one_agrees_to(cara: Command, open_file, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    done = cara("doctor", "--fix", *NOWHERE)
    assert done.code == 0
    assert "mended: closed 1 to others" in done.out
    assert not is_open(open_file)


def test_programs_mend_with_yes_and_read_what_was_done(cara: Command, open_file):
    done = cara("doctor", "--fix", "--yes", "--json", *NOWHERE)
    assert done.code == 0
    (row,) = [row for row in done.json["findings"] if row["name"] == "state folder"]
    assert row["mended"] == "closed 1 to others"
