"""One passage, exactly once."""

from __future__ import annotations

import pytest

from carapace.agent.tools.files.editing import replace_once
from carapace.agent.tools.registry import ToolTrouble


def test_a_passage_that_is_there_once_is_replaced():
    assert replace_once("a b c", "b", "B\n", "x") == "a B\n c"
    assert replace_once("abc", "abc", "", "x") == ""


@pytest.mark.parametrize(
    ("text", "old", "why"),
    [
        ("abc", "", "is empty"),
        ("abc", "new", "the same"),
        ("abc", "d", "copy the passage"),
        ("a\n  b", "a\nb", "other spaces"),
        ("a\nb\na", "a", r"lines 1, 3\)"),
        ("aaa", "aa", "more than once"),
        ("a\n" * 9, "a", "lines 1, 2, 3, 4, 5, ..."),
    ],
)
def test_anything_else_is_refused_with_a_way_on(text: str, old: str, why: str):
    with pytest.raises(ToolTrouble, match=why):
        replace_once(text, old, "new", "x")
