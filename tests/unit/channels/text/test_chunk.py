from __future__ import annotations

import time

import pytest

from carapace.channels.text.chunk import Piece, measure, pieces, split
from carapace.channels.types import LengthUnit

CHARACTERS = LengthUnit.CHARACTERS


def test_short_text_stays_one_message():
    assert split("hello\n\nworld", 100, CHARACTERS) == ["hello\n\nworld"]


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "\t\n "])
def test_blank_text_gives_no_message(text):
    assert split(text, 100, CHARACTERS) == []


def test_a_cut_prefers_the_end_of_a_paragraph():
    text = "one two three.\n\nfour five.\nsix seven eight"
    assert split(text, 30, CHARACTERS) == ["one two three.", "four five.\nsix seven eight"]


def test_then_the_end_of_a_line():
    assert split("one two three four\nfive six seven", 25, CHARACTERS) == [
        "one two three four",
        "five six seven",
    ]


def test_then_the_end_of_a_sentence():
    assert split("First one here. Second one is longer.", 24, CHARACTERS) == [
        "First one here.",
        "Second one is longer.",
    ]


def test_sentences_end_in_chinese_without_a_space():
    assert split("一二三四五。六七八九十一二三", 10, CHARACTERS) == [
        "一二三四五。",
        "六七八九十一二三",
    ]


def test_then_the_end_of_a_word():
    assert split("alpha beta gamma", 12, CHARACTERS) == ["alpha beta", "gamma"]


def test_a_word_longer_than_a_message_is_cut_hard():
    assert split("abcdefghij", 4, CHARACTERS) == ["abcd", "efgh", "ij"]


def test_the_indentation_of_the_next_line_stays():
    assert split("- first item here\n  - nested item", 20, CHARACTERS) == [
        "- first item here",
        "  - nested item",
    ]


def test_blank_lines_at_a_cut_are_dropped():
    assert split("one two three\n \n\n  four five six", 16, CHARACTERS) == [
        "one two three",
        "  four five six",
    ]


def test_a_code_block_that_does_not_fit_is_closed_and_opened_again_with_its_language():
    text = "```python\nfirst = 1\nsecond = 2\nthird = 3\n```"
    assert split(text, 36, CHARACTERS) == [
        "```python\nfirst = 1\nsecond = 2\n```",
        "```python\nthird = 3\n```",
    ]


def test_a_code_block_that_fits_into_one_message_is_not_cut():
    text = "Some words before it.\n\n```\na = 1\nb = 2\n```\nafter"
    assert split(text, 34, CHARACTERS) == [
        "Some words before it.",
        "```\na = 1\nb = 2\n```\nafter",
    ]


def test_longer_marks_and_tildes_are_closed_with_the_same():
    text = "~~~~sh\n" + "echo one\n" * 6 + "~~~~"
    parts = split(text, 40, CHARACTERS)
    assert len(parts) > 1
    assert all(part.startswith("~~~~sh\n") and part.endswith("\n~~~~") for part in parts)


def test_code_keeps_its_indentation_across_a_cut():
    text = "```\nif x:\n        deep = 1\n        deeper = 2\n```"
    assert split(text, 30, CHARACTERS)[1] == "```\n        deeper = 2\n```"


def test_a_line_of_code_longer_than_a_message_is_cut_in_the_block():
    text = "```\n" + "x" * 50 + "\n```"
    parts = split(text, 30, CHARACTERS)
    assert parts == ["```\n" + "x" * 22 + "\n```", "```\n" + "x" * 22 + "\n```", "```\nxxxxxx\n```"]


def test_a_block_cut_just_before_its_closing_line_leaves_no_empty_block():
    text = "```\n" + "x" * 22 + "\n```\nafter that"
    assert split(text, 30, CHARACTERS) == ["```\n" + "x" * 22 + "\n```", "after that"]


def test_a_long_language_line_is_dropped_where_it_would_eat_the_message():
    text = "```" + "i" * 10 + "\n" + "code\n" * 10 + "```"
    parts = split(text, 30, CHARACTERS)
    assert parts[0].startswith("```iiiiiiiiii\n")
    assert parts[1].startswith("```\ncode")


def test_a_language_line_longer_than_a_message_is_cut_like_words():
    text = "```" + "i" * 60 + "\ncode\n```"
    parts = split(text, 20, CHARACTERS)
    assert all(len(part) <= 20 for part in parts)
    assert "".join(parts).count("i") == 60


def test_the_opening_line_goes_with_its_code():
    text = "word word word\n```python\nlong_line_of_code = 1\nother_line_of_code = 2\n```"
    parts = split(text, 40, CHARACTERS)
    assert parts[0] == "word word word"


def test_an_opening_line_alone_is_not_left_behind():
    text = "ab\n```pythonpython\n" + "x = 1\n" * 10 + "```"
    parts = split(text, 22, CHARACTERS)
    assert parts[0] == "ab"


def test_words_after_a_continued_block_are_cut_outside_it():
    text = "```\n" + "a\n" * 12 + "```\n" + "word " * 8
    for part in split(text, 30, CHARACTERS):
        assert part.count("```") % 2 == 0


def test_newline_mode_gives_each_paragraph_its_own_message():
    text = "one\ntwo\n\nthree\n \n\nfour"
    assert split(text, 100, CHARACTERS, "newline") == ["one\ntwo", "three", "four"]


def test_newline_mode_does_not_cut_at_blank_lines_of_code():
    text = "intro\n\n```\na\n\nb\n```\n\nend"
    assert split(text, 100, CHARACTERS, "newline") == ["intro", "```\na\n\nb\n```", "end"]


def test_newline_mode_cuts_long_paragraphs_by_length():
    assert split("aaa bbb ccc\n\nddd", 8, CHARACTERS, "newline") == ["aaa bbb", "ccc", "ddd"]


@pytest.mark.parametrize(
    ("unit", "size"),
    [(LengthUnit.CHARACTERS, 3), (LengthUnit.UTF16, 4), (LengthUnit.BYTES, 7)],
)
def test_length_is_counted_as_the_service_counts(unit, size):
    assert measure("a🙂é", unit) == size


def test_an_emoji_is_not_torn_when_utf16_units_are_counted():
    assert split("🙂🙂🙂🙂🙂", 5, LengthUnit.UTF16) == ["🙂🙂", "🙂🙂", "🙂"]


def test_bytes_are_counted_for_vietnamese_marks():
    parts = split("ệ" * 10, 9, LengthUnit.BYTES)
    assert all(len(part.encode()) <= 9 for part in parts)
    assert "".join(parts) == "ệ" * 10


def test_pieces_say_where_they_come_from():
    assert list(pieces("aaaa bbbb", 5, CHARACTERS)) == [Piece(0, 4), Piece(5, 9)]


@pytest.mark.parametrize(
    "text",
    ["x" * 300_000, "a b\n" * 75_000, "```\n" * 60_000, "\n \n" * 80_000, "🙂" * 100_000],
    ids=["one word", "lines", "fences", "blank", "emoji"],
)
@pytest.mark.slow
def test_a_huge_text_is_cut_in_linear_time(text):
    begun = time.perf_counter()
    split(text, 4000, LengthUnit.UTF16)
    assert time.perf_counter() - begun < 5
