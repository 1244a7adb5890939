"""An answer of "nothing" says nothing, and nothing else is swallowed."""

from __future__ import annotations

import pytest

from carapace.triggers.heartbeat.answers import has_tasks, said


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  ",
        "HEARTBEAT_OK",
        " HEARTBEAT_OK\n",
        "**HEARTBEAT_OK**",
        "<b>HEARTBEAT_OK</b>",
        "HEARTBEAT_OK HEARTBEAT_OK",
        "HEARTBEAT_OK All is well.",
        "All is well. HEARTBEAT_OK",
    ],
)
def test_nothing_needs_attention(answer: str):
    assert said(answer, 300) == ""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The door is open.", "The door is open."),
        ("I must not say HEARTBEAT_OK here.", "I must not say HEARTBEAT_OK here."),
        ("HEARTBEAT_OK " + "x" * 301, "x" * 301),
        ("x" * 301 + "\nHEARTBEAT_OK", "x" * 301),
    ],
)
def test_words_are_kept(answer: str, expected: str):
    assert said(answer, 300) == expected


def test_how_many_words_count_as_nothing_is_a_setting():
    assert said("HEARTBEAT_OK but look", 0) == "but look"


@pytest.mark.parametrize("text", ["", "\n\n", "# Tasks\n\n## More", "- [ ]\n* \n- [x] ", "#"])
def test_a_file_of_headings_asks_for_nothing(text: str):
    assert not has_tasks(text)


@pytest.mark.parametrize("text", ["Look at the mail.", "# T\n- [ ] water", "#hashtag"])
def test_a_file_with_words_asks_for_something(text: str):
    assert has_tasks(text)
