"""What a chat takes as a command."""

from __future__ import annotations

import pytest

from carapace.agent.commands import Reset, Status, is_stop, parse


@pytest.mark.parametrize("text", ["/stop", "stop", " STOP ", "abort", "/abort", "esc"])
def test_a_stop_word_alone_stops(text: str):
    assert is_stop(text)


@pytest.mark.parametrize("text", ["stop it please", "don't stop", "", "/stopp"])
def test_a_sentence_with_a_stop_word_is_for_the_model(text: str):
    assert not is_stop(text)


def test_a_reset_keeps_the_message_behind_it():
    assert parse("/new") == Reset("")
    assert parse("/RESET  what is up? ") == Reset("what is up?")


def test_status_stands_alone():
    assert parse(" /status ") == Status()
    assert parse("/status of things") is None


def test_everything_else_is_for_the_model():
    assert parse("/newspaper") is None
    assert parse("hello") is None
