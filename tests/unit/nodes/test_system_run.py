"""What of `system.run` a node gets."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.errors import Refused
from carapace.nodes.system_run import system_run

ARGV = ["git", "status"]


def test_the_run_is_passed_on_with_an_id_of_its_own() -> None:
    run = system_run({"command": ARGV, "cwd": "/srv/x", "sessionKey": " main "}, "fresh")
    assert run.params == {
        "command": ARGV,
        "cwd": "/srv/x",
        "sessionKey": " main ",
        "runId": "fresh",
    }
    assert (run.run_id, run.session_key) == ("fresh", "main")


def test_a_callers_own_id_is_kept() -> None:
    assert system_run({"command": ARGV, "runId": "mine"}, "fresh").run_id == "mine"


def test_what_says_that_a_person_agreed_is_not_the_callers_to_set() -> None:
    given = {
        "command": ARGV,
        "approved": True,
        "approvalDecision": "allow-always",
        "rawCommand": "ls",
        "surprise": 1,
        "env": None,
    }
    assert set(system_run(given, "fresh").params) == {"command", "runId"}


SH = ["/bin/sh", "-lc", "ls | wc"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"command": ARGV}, "git status"),
        ({"command": ["git", "commit", "-m", "a b"]}, None),
        ({"command": ["git", ""]}, None),
        ({"command": SH}, "ls | wc"),
        ({"command": ["cmd.exe", "/d", "/s", "/c", "dir"]}, "dir"),
        ({"command": ARGV, "env": {"A": "b"}}, None),
        ({"command": ARGV, "env": {}}, "git status"),
    ],
)
def test_a_person_is_asked_about_one_text_that_can_mean_nothing_else(
    given: Any, shown: str | None
) -> None:
    assert system_run(given, "fresh").shown == shown


@pytest.mark.parametrize(
    ("raw", "is_kept"), [("ls | wc", True), (" ls | wc ", True), ("rm -rf x", False), (3, False)]
)
def test_a_shells_line_is_named_beside_it_only_if_it_is_that_line(raw: Any, is_kept: bool) -> None:
    params = system_run({"command": SH, "rawCommand": raw}, "fresh").params
    assert params.get("rawCommand") == ("ls | wc" if is_kept else None)


@pytest.mark.parametrize(
    "given",
    [None, [], "ls", {}, {"command": "ls -l"}, {"command": []}, {"command": ["ls", 1]}],
)
def test_a_command_is_a_list_of_words(given: Any) -> None:
    with pytest.raises(Refused, match="a list of words"):
        system_run(given, "fresh")


def test_a_session_that_is_no_text_is_none() -> None:
    assert system_run({"command": ARGV, "sessionKey": 7}, "fresh").session_key is None
