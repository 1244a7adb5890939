from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.channels.commands import ROWS, ChatCommand, CommandName, parse_command
from carapace.protocol.scopes import Scope


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


def test_on_services_only_the_owner_changes_settings_or_lets_people_in():
    talking = {CommandName.HELP, CommandName.STATUS, CommandName.WHOAMI}
    everyday = {CommandName.NEW, CommandName.STOP}
    assert {name for name in CommandName if not name.is_for_owners} == talking | everyday


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("/think HIGH", CommandName.THINK, "HIGH"),
        ("/t", CommandName.THINK, ""),
        ("/model fake/fake-2", CommandName.MODEL, "fake/fake-2"),
        ("/compact keep the names", CommandName.COMPACT, "keep the names"),
        ("/send off", CommandName.SEND, "off"),
        ("/help", CommandName.HELP, ""),
        ("/id", CommandName.WHOAMI, ""),
    ],
)
def test_settings_take_one_word(text: str, name: CommandName, rest: str):
    assert parse_command(text) == ChatCommand(name=name, rest=rest)


@pytest.mark.parametrize("text", ["/think hard about it", "/send it to Anna", "/help me please"])
def test_a_sentence_that_begins_like_a_command_is_for_the_model(text: str):
    assert parse_command(text) is None


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("/status", Scope.READ),
        ("/model", Scope.READ),
        ("/model list", Scope.READ),
        ("/model fake/fake-2", Scope.ADMIN),
        ("/think high", Scope.ADMIN),
        ("/think", Scope.READ),
        ("/new", Scope.ADMIN),
        ("/compact", Scope.ADMIN),
        ("/stop", Scope.WRITE),
        ("/approve X", Scope.PAIRING),
    ],
)
def test_a_command_needs_what_its_method_needs(text: str, scope: Scope):
    command = parse_command(text)
    assert command is not None
    assert command.scope is scope


def test_every_command_has_one_row_and_no_word_two():
    assert [row.name for row in ROWS] == list(dict.fromkeys(row.name for row in ROWS))
    assert {row.name for row in ROWS} == set(CommandName)
    words = [word for row in ROWS for word in row.words]
    assert len(words) == len(set(words))
    assert all(row.help and row.usage.startswith(row.words[0]) for row in ROWS)


@given(st.text(max_size=40))
def test_any_text_is_a_command_or_none(text: str):
    command = parse_command(text)
    assert command is None or (command.rest == command.rest.strip())
