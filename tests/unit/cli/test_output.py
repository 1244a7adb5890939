"""Results are aligned for people, exact for programs, and never carry terminal escapes."""

from __future__ import annotations

import json

import pytest

from carapace.cli.output import age, as_json, megabytes, report, show, table


def test_columns_are_as_wide_as_needed(capsys):
    table(("a", "name"), [(1, "x\x1b[31m"), (100, "two\nlines")])
    assert capsys.readouterr().out == "a    name\n1    x\n100  two lines\n"


def test_json_is_one_document(capsys):
    as_json({"a": [1]})
    assert json.loads(capsys.readouterr().out) == {"a": [1]}


def test_shown_text_cannot_drive_the_terminal(capsys):
    show("\x1b]0;title\x07plain")
    assert capsys.readouterr().out == "plain\n"


def test_what_was_done_is_a_sentence_for_people_and_a_document_for_programs(capsys):
    report({"ok": True}, "Done \x1b[31mwell.", is_json=False)
    assert capsys.readouterr().out == "Done well.\n"
    report({"ok": True}, "Done.", is_json=True)
    assert json.loads(capsys.readouterr().out) == {"ok": True}


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0s"), (59_999, "59s"), (60_000, "1m"), (7_200_000, "2h"), (172_800_000, "2d")],
)
def test_an_age_has_one_unit(ms: int, said: str):
    assert age(1_000, 1_000 + ms) == said


def test_a_clock_that_runs_behind_gives_no_negative_age():
    assert age(5_000, 0) == "0s"


def test_sizes_are_decimal():
    assert megabytes(1_234_567_890) == "1,234.6 MB"
