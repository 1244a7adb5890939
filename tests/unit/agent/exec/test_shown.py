"""A command is shown whole, and nothing in it can hide."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.exec.shown import shown_argv, shown_text


def test_borders_between_arguments_are_seen():
    assert shown_argv(["rm", "a b", "", "'"]) == "rm 'a b' '' ''\"'\"''"


def test_what_cannot_be_seen_is_written_out():
    shown = shown_argv(["echo", "a\nb", "\u202erm", "\x1b[2K"])
    assert shown == 'echo "a\\nb" "\\u202erm" "\\u001b[2K"'
    assert shown_text("a\u202eb\x07") == "a\\u202eb\\u0007"


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_what_is_shown_can_always_be_read(argv: list[str]):
    assert shown_argv(argv).isprintable()


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1))
def test_different_plain_commands_look_different(argv: list[str]):
    assert shlex.split(shown_argv(argv)) == argv
