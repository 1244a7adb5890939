"""Texts of files, in part and whole."""

from __future__ import annotations

import pytest

from carapace.agent.tools.files.text import excerpt, text_of
from carapace.agent.tools.registry import ToolTrouble


@pytest.mark.parametrize(
    "data",
    [b"", b"a\nb\n", b"a\r\nb\r\n", b"\xef\xbb\xbfa\r\nb", b"a\r\nb\n", b"a\rb\r\n", b"\r\r\n"],
)
def test_a_text_goes_back_as_it_was(data: bytes):
    file = text_of(data, "x")
    assert file.encoded(file.text) == data


def test_windows_line_ends_are_hidden_and_put_back():
    file = text_of(b"a\r\nb\r\n", "x")
    assert file.text == "a\nb\n"
    assert file.encoded("a\nc\r\n") == b"a\r\nc\r\n"


@pytest.mark.parametrize("data", [b"\x89PNG\0", b"caf\xe9", b"\xff\xfea\0"])
def test_what_is_no_text_is_left_alone(data: bytes):
    with pytest.raises(ToolTrouble, match="x is no text"):
        text_of(data, "x")


def test_a_short_text_is_shown_whole():
    assert excerpt("a\nb\n", offset=1, limit=10, max_chars=100) == "a\nb"
    assert excerpt("", offset=1, limit=10, max_chars=100) == "(the file is empty)"
    assert excerpt("\n", offset=1, limit=10, max_chars=100) == ""


def test_a_long_text_says_how_to_go_on():
    text = "a\nb\nc\nd"
    assert excerpt(text, offset=2, limit=2, max_chars=100) == (
        "b\nc\n\n[lines 2 to 3 of 4; go on with offset 4]"
    )
    assert excerpt(text, offset=4, limit=2, max_chars=100) == "d\n\n[lines 4 to 4 of 4]"
    assert excerpt(text, offset=1, limit=9, max_chars=4).startswith("a\nb\n\n[lines 1 to 2 of 4;")


def test_a_line_that_is_too_long_is_cut_and_still_counts():
    found = excerpt("x" * 3_000 + "\nb", offset=1, limit=9, max_chars=10)
    assert found.startswith("x" * 2_000 + " [...]\n\n[lines 1 to 1 of 2; go on with offset 2]")


def test_behind_the_end_there_is_nothing():
    with pytest.raises(ToolTrouble, match="has 1 lines; offset 2"):
        excerpt("a\n", offset=2, limit=1, max_chars=10)
