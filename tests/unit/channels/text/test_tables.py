from __future__ import annotations

import time

import pytest

from carapace.channels.text.tables import convert_tables

TABLE = "| Name | Age | Town |\n|:---|---:|:-:|\n| Ann | 31 | Ulm |\n| Bob | | Bonn |"


def test_off_leaves_tables_alone():
    assert convert_tables(TABLE, "off") == TABLE


def test_bullets_name_each_row_by_its_first_cell():
    assert convert_tables(TABLE, "bullets") == (
        "- **Ann**\n  - Age: 31\n  - Town: Ulm\n- **Bob**\n  - Town: Bonn"
    )


def test_code_aligns_the_columns():
    assert convert_tables(TABLE, "code") == (
        "```\nName | Age | Town\n-----+-----+-----\nAnn  | 31  | Ulm\nBob  |     | Bonn\n```"
    )


def test_block_is_the_services_own_table_or_code():
    assert convert_tables(TABLE, "block", shows_tables=True) == TABLE
    assert convert_tables(TABLE, "block") == convert_tables(TABLE, "code")


def test_words_around_a_table_stay():
    text = f"Before:\n\n{TABLE}\n\nAfter."
    converted = convert_tables(text, "bullets")
    assert converted.startswith("Before:\n\n- **Ann**")
    assert converted.endswith("Bonn\n\nAfter.")


@pytest.mark.parametrize(
    "text",
    [
        "a | b\nc | d",
        "| a | b |\n| --- |\n| c | d |",
        "no pipe\n---|---",
        f"```\n{TABLE}\n```",
        f"~~~~ text\n{TABLE}\n~~~~",
        "a | b",
        "| a | b |\n" + "-" * 2000,
    ],
    ids=["no rule", "rule too short", "no header", "code", "tildes", "one line", "huge rule"],
)
def test_what_is_no_table_stays(text):
    assert convert_tables(text, "code") == text


def test_a_table_after_a_code_block_is_converted():
    text = f"```\n{TABLE}\n```\n{TABLE}"
    assert convert_tables(text, "bullets").count("- **Ann**") == 1


def test_short_rows_are_filled_and_long_ones_cut():
    text = "a | b\n--|--\n1 |\n1 | 2 | 3"
    assert convert_tables(text, "code") == "```\na | b\n--+--\n1 |\n1 | 2\n```"


def test_an_escaped_bar_is_part_of_a_cell():
    assert "x|y | 2" in convert_tables("| a | b |\n|---|---|\n| x\\|y | 2 |", "code")
    assert "x|" in convert_tables("a | b\n---|---\n1 | x\\|", "code")


def test_line_breaks_in_cells_become_blanks():
    assert "one two" in convert_tables("a | b\n---|---\n1 | one<br/>two", "code")


def test_wide_characters_take_two_columns():
    lines = convert_tables("k | v\n---|---\n漢字 | 1\nab | 2", "code").split("\n")
    assert lines[3] == "漢字 | 1"
    assert lines[4] == "ab   | 2"


def test_a_fence_in_a_cell_does_not_end_the_block():
    assert convert_tables("a | b\n---|---\n``` | 2", "code").startswith("````\n")


def test_a_very_long_cell_does_not_push_the_others_away():
    lines = convert_tables(f"a | b\n---|---\n{'x' * 500} | 1\ny | 2", "code").split("\n")
    assert len(lines[4]) < 80


def test_one_column_becomes_a_plain_list():
    assert convert_tables("| a |\n|---|\n| 1 |\n| 2 |", "bullets") == "- 1\n- 2"


def test_an_empty_table_names_its_columns():
    assert convert_tables("a | b\n---|---", "bullets") == "- a / b"


def test_rows_without_a_name_and_columns_without_one():
    assert convert_tables("| a | |\n|---|---|\n| | 2 |", "bullets") == "-\n  - 2"


def test_a_cell_with_marks_of_its_own_is_not_made_strong():
    assert convert_tables("a | b\n---|---\n`x` | 2", "bullets") == "- `x`\n  - b: 2"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["a|b\n" * 50_000, "a|b\n-|" + " " * 200_000 + "x", "```\n```\n|\n" * 20_000],
    ids=["rows", "blanks", "fences"],
)
def test_a_huge_text_takes_linear_time(text):
    begun = time.perf_counter()
    convert_tables(text, "code")
    assert time.perf_counter() - begun < 5
