"""The environment of a command is a list of our own."""

from __future__ import annotations

import pytest

from carapace.agent.exec.environment import PRIVATE, child_environment, private_environment


def test_only_language_and_time_zone_are_inherited():
    parent = {"LANG": "C.UTF-8", "TZ": "Europe/Berlin", "LD_PRELOAD": "/x", "SECRET": "s"}
    assert child_environment(parent, ["/opt/bin"]) == {
        "LANG": "C.UTF-8",
        "TZ": "Europe/Berlin",
        "PATH": "/opt/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": PRIVATE,
        "TMPDIR": PRIVATE,
        "TERM": "dumb",
    }


@pytest.mark.parametrize("value", ["", "a b", "$(id)", "x" * 65, "C\n"])
def test_a_strange_value_is_not_passed_on(value: str):
    assert "LANG" not in child_environment({"LANG": value})


def test_each_run_has_a_folder_of_its_own():
    env = private_environment(child_environment({}), "/p")
    assert (env["HOME"], env["TMPDIR"], env["TERM"]) == ("/p", "/p", "dumb")
