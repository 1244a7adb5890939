from __future__ import annotations

import time

import pytest

from carapace.channels.text.markdown import to_plain


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("**bold** and *slanted*", "bold and slanted"),
        ("__bold__ and _slanted_", "bold and slanted"),
        ("***both*** ~~gone~~", "both gone"),
        ("**a *b* c**", "a b c"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("a ** b", "a ** b"),
        ("**never closed", "**never closed"),
        ("**a *b**", "a *b"),
        ("closed** never opened", "closed** never opened"),
        ("# Title", "Title"),
        ("### Title ###", "Title"),
        ("# About C#", "About C#"),
        ("#hashtag", "#hashtag"),
        ("* one\n+ two\n- three\n  * four", "- one\n- two\n- three\n  - four"),
        ("1. one", "1. one"),
        ("> quoted **text**", "> quoted text"),
        ("***", "---"),
        ("_ _ _", "---"),
        ("[label](https://a.example/b)", "label (https://a.example/b)"),
        ("[https://a.example](https://a.example)", "https://a.example"),
        ("[**x**](https://a.example 'title')", "x (https://a.example)"),
        ("![a cat](https://a.example/c.png)", "a cat (https://a.example/c.png)"),
        ("![](https://a.example/c.png)", "https://a.example/c.png"),
        ("<https://a.example>", "https://a.example"),
        ("<mailto:a@a.example>", "a@a.example"),
        ("[not a link] (x)", "[not a link] (x)"),
        (r"\*not\* slanted \\ C:\dir", r"*not* slanted \ C:\dir"),
        ("`**code**` and ``a ` b``", "**code** and a ` b"),
        ("`` `x` ``", "`x`"),
        ("` `", " "),
        ("a ` b", "a ` b"),
        ("`` a ` b `` `", "a ` b `"),
        ("", ""),
        ("https://a.example/x_y_z*", "https://a.example/x_y_z*"),
    ],
)
def test_marks_go_and_words_stay(markdown, plain):
    assert to_plain(markdown) == plain


def test_code_keeps_every_character():
    assert to_plain("see\n```py\n# not a title\n**x** = 1\n```\n*end*") == (
        "see\n# not a title\n**x** = 1\nend"
    )


def test_code_that_is_never_closed_reaches_to_the_end():
    assert to_plain("```\n**x**") == "**x**"
    assert to_plain("```\n```") == ""


def test_unclosed_backticks_stay_each_time():
    assert to_plain("`a ``b `````") == "`a ``b `````"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "*a " * 60_000,
        "**a*b" * 30_000,
        "[" * 100_000,
        "[a](" * 30_000,
        ("`" * 20 + " ") * 8_000,
        "`" * 100_000,
        "# " + " " * 100_000 + "x",
        "_" * 100_000 + "x",
        "- " * 60_000 + "x",
        "\\" * 100_000,
        "a*" * 60_000,
        "<https://" * 30_000,
    ],
    ids=str.split("stars nested brackets links runs ticks blanks rule dashes escapes close auto"),
)
def test_a_hostile_line_takes_linear_time(text):
    begun = time.perf_counter()
    to_plain(text)
    assert time.perf_counter() - begun < 5
