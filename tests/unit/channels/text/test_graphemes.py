from __future__ import annotations

import pytest

from carapace.channels.text.graphemes import cut_before


@pytest.mark.parametrize(
    ("text", "position", "place"),
    [
        ("abc", 2, 2),
        ("ae\u0301b", 2, 1),
        ("a👩\u200d👩\u200d👧b", 4, 1),
        ("a👍\U0001f3fdb", 2, 1),
        ("a🇩🇪🇫🇷", 2, 1),
        ("a🇩🇪🇫🇷", 3, 3),
        ("a🇩🇪🇫🇷", 4, 3),
        ("a❤\ufe0fb", 2, 1),
        ("ab\r\nc", 3, 2),
        ("a\u1112\u1161\u11ab", 3, 1),
        ("abc", 3, 3),
    ],
    ids=[
        "letters",
        "accent",
        "family",
        "skin",
        "flag",
        "between",
        "second",
        "style",
        "crlf",
        "jamo",
        "end",
    ],
)
def test_a_cut_moves_before_what_a_reader_sees_as_one(text, position, place):
    assert cut_before(text, position, 0) == place


def test_a_cluster_longer_than_the_piece_is_cut_all_the_same():
    assert cut_before("e" + "\u0301" * 200, 100, 0) == 100
    assert cut_before("e\u0301\u0301", 2, 0) == 2
