from __future__ import annotations

import pytest

from carapace.config.json5 import MAX_DEPTH, Json5Error, Lines, parse

GOOD = [
    ("{}", {}),
    ("\ufeff { /* a */ } // b", {}),
    ("[1, 2,]", [1, 2]),
    ("{a: 1, 'b': \"two\", $c_9: null,}", {"a": 1, "b": "two", "$c_9": None}),
    ("[+1, -2, .5, 5., 0x1F, 1e3, 128000.0, 1.5]", [1, -2, 0.5, 5, 31, 1000, 128000, 1.5]),
    (
        r'["\u0041\n\'", "a\
b"]',
        ["A\n'", "ab"],
    ),
    (r"{\u0061b: true}", {"ab": True}),
    ("{a: 1, a: 2}", {"a": 2}),
    ('"\u2028"', "\u2028"),
    ("{ä: false}", {"ä": False}),
]

BAD = [
    ("", 1, 1, "a value", "the end of the file"),
    ("{", 1, 2, '"}"', "the end of the file"),
    ("{\n a: 1\n b: 2\n}", 3, 2, '"," or "}"', "`b`"),
    ("{not json", 1, 6, '":" after the name `not`', "`json`"),
    ("{a = 1}", 1, 4, '":" after the name `a`', "'='"),
    ("{a: loopback}", 1, 5, "a value", "`loopback`"),
    ("{a: True}", 1, 5, "a value", "`True`"),
    ("{a: Infinity}", 1, 5, "a finite number", "`Infinity`"),
    ("{a: -Infinity}", 1, 5, "a value", "'-'"),
    ('{a: "open\n}', 1, 5, "a text that ends on its line", "'\"'"),
    (r'["\x1"]', 1, 2, "a text with valid escapes", "'\"'"),
    ("{} x", 1, 4, "the end of the file", "`x`"),
    ("{, }", 1, 2, 'a name or "}"', "','"),
    ("[,]", 1, 2, "a value", "','"),
    ("[1 2]", 1, 4, '"," or "]"', "'2'"),
    ("[1,", 1, 4, '"]"', "the end of the file"),
    ("{a: 1", 1, 6, '"}"', "the end of the file"),
    ("/* open", 1, 1, "the end of the comment", "'/'"),
    ("[012]", 1, 2, "a value", "'0'"),
]


@pytest.mark.parametrize(("text", "value"), GOOD)
def test_json5_is_read(text, value):
    assert parse(text).plain() == value


@pytest.mark.parametrize(("text", "line", "column", "expected", "found"), BAD)
def test_an_error_says_where_what_and_how_to_mend_it(text, line, column, expected, found):
    with pytest.raises(Json5Error) as caught:
        parse(text)
    error = caught.value
    assert (error.line, error.column, error.expected, error.found) == (
        line,
        column,
        expected,
        found,
    )
    assert error.fix.endswith(".")


def test_an_unclosed_bracket_names_where_it_was_opened():
    with pytest.raises(Json5Error, match="line 2, column 5"):
        parse("{\n a: [1,\n")


def test_whole_numbers_are_ints_however_they_are_written():
    assert [type(n) for n in parse("[1e3, 2.0, 0x10, 2.5]").plain()] == [int, int, int, float]


def test_nesting_is_bounded():
    with pytest.raises(Json5Error, match="levels of nesting"):
        parse("[" * (MAX_DEPTH + 2))


def test_spans_cover_exactly_the_written_value():
    text = "{ a: 'x' /* c */ , b: [1, 2] }"
    root = parse(text)
    a, b = root.members
    assert text[a.key_start : a.key_end] == "a"
    assert text[a.node.start : a.node.end] == "'x'"
    assert a.comma is not None
    assert text[a.comma] == ","
    assert text[b.node.start : b.node.end] == "[1, 2]"
    assert b.comma is None
    assert root.member("zzz") is None


def test_lines_end_at_each_kind_of_line_break():
    lines = Lines("a\r\nb\rc\nd")
    assert [lines.at(i) for i in (0, 3, 5, 7)] == [(1, 1), (2, 1), (3, 1), (4, 1)]
