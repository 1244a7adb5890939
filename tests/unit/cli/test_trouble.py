"""Trouble is told as what, why, next step."""

from __future__ import annotations

import json

from carapace.cli.trouble import FAILURE, Trouble, tell

FULL = Trouble("It broke.", why="a \x1b[31mred\x1b[0m wire", next_step="Mend it", exit_code=3)


def test_people_read_three_lines_without_escapes(capsys):
    tell(FULL, as_json=False)
    said = capsys.readouterr()
    assert said.err == "error: It broke.\n  why:  a red wire\n  next: Mend it\n"
    assert said.out == ""


def test_programs_read_json(capsys):
    tell(FULL, as_json=True)
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["what"], error["next"]) == ("It broke.", "Mend it")


def test_what_is_not_known_is_left_out(capsys):
    tell(Trouble("It broke."), as_json=False)
    assert capsys.readouterr().err == "error: It broke.\n"
    tell(Trouble("It broke."), as_json=True)
    assert json.loads(capsys.readouterr().err) == {"error": {"what": "It broke."}}
    assert Trouble("It broke.").exit_code == FAILURE
