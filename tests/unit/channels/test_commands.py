from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.agent import commands as agent
from carapace.channels.commands import ChatCommand, CommandName, parse_command


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("/new", CommandName.NEW, ""),
        (" /RESET  hello there\n", CommandName.NEW, "hello there"),
        ("/new\nhello", CommandName.NEW, "hello"),
        ("/status", CommandName.STATUS, ""),
        ("/stop", CommandName.STOP, ""),
        ("/abort", CommandName.STOP, ""),
        ("/approve webhook ABCD", CommandName.APPROVE, "webhook ABCD"),
        ("/reject", CommandName.REJECT, ""),
    ],
)
def test_a_slash_and_a_known_word_are_a_command(text: str, name: CommandName, rest: str):
    assert parse_command(text) == ChatCommand(name=name, rest=rest)


@pytest.mark.parametrize("text", ["stop", " Wait\n", "ESC", "interrupt", "exit", "abort"])
def test_a_bare_stop_word_is_a_command_that_has_to_be_meant(text: str):
    assert parse_command(text) == ChatCommand(name=CommandName.STOP, is_bare=True)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "hello", "stop it", "/status please", "/stop now", "/unknown", "/newer", "a /new"],
)
def test_everything_else_is_for_the_model(text: str):
    assert parse_command(text) is None


def test_only_the_owner_lets_people_in():
    assert {name for name in CommandName if name.is_for_owners} == {
        CommandName.APPROVE,
        CommandName.REJECT,
    }


_WORDS = st.sampled_from(["/new", "/reset", "/STATUS", "/stop", "stop", "wait", "x", "/approve"])
_GAPS = st.text(alphabet=" \t\n\u00a0\u200b", max_size=2)


@given(parts=st.lists(st.tuples(_GAPS, _WORDS), max_size=3), end=_GAPS)
def test_what_the_agent_would_take_for_a_command_the_authoriser_has_seen(
    parts: list[tuple[str, str]], end: str
):
    text = "".join(gap + word for gap, word in parts) + end
    if agent.parse(text) is not None or agent.is_stop(text):
        assert parse_command(text) is not None
