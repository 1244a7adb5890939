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


@pytest.mark.parametrize(
    "given",
    [None, [], "ls", {}, {"command": "ls -l"}, {"command": []}, {"command": ["ls", 1]}],
)
def test_a_command_is_a_list_of_words(given: Any) -> None:
    with pytest.raises(Refused, match="a list of words"):
        system_run(given, "fresh")


def test_a_session_that_is_no_text_is_none() -> None:
    assert system_run({"command": ARGV, "sessionKey": 7}, "fresh").session_key is None
