"""The head of a SKILL.md as people write it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.skills.front_matter import (
    MAX_HEAD_CHARS,
    FrontMatterError,
    split_front_matter,
)


def head(text: str) -> dict[str, Any]:
    return split_front_matter(f"---\n{text}\n---\n# Body\n")[0]


def test_the_body_is_what_follows_and_a_file_without_a_head_is_all_body():
    assert split_front_matter("---\nname: a\n---\n\n# Body\nx\n") == ({"name": "a"}, "# Body\nx")
    assert split_front_matter("\ufeff---\n---\nx") == ({}, "x")
    assert split_front_matter("# Only text") == ({}, "# Only text")
    assert split_front_matter("") == ({}, "")


def test_the_form_of_published_skills_is_read():
    assert head(
        "name: trello\n"
        "description: Boards: lists, and cards # not only boards\n"
        'homepage: "https://trello.example/#top"\n'
        'metadata: {"clawdbot":{"emoji":"x","requires":{"bins":["jq"]}}}'
    ) == {
        "name": "trello",
        "description": "Boards: lists, and cards",
        "homepage": "https://trello.example/#top",
        "metadata": {"clawdbot": {"emoji": "x", "requires": {"bins": ["jq"]}}},
    }


def test_json_may_take_many_lines():
    text = 'metadata:\n  {\n    "openclaw":\n      { "always": true, },\n  }\nname: a'
    assert head(text) == {"metadata": {"openclaw": {"always": True}}, "name": "a"}
    assert head("metadata: {\n  a: 1\n}\nname: b") == {"metadata": {"a": 1}, "name": "b"}


def test_mappings_and_lists_go_by_indentation():
    assert head(
        "metadata:\n"
        "  openclaw:\n"
        "    # what it needs\n"
        "    requires:\n"
        "      bins:\n"
        "      - jq\n"
        "      - 'it''s'\n"
        "    install:\n"
        "      - id: brew\n"
        "        kind: brew\n"
        "      -\n"
        "        id: npm\n"
        "  empty:\n"
        "tools: [Read, Write] # two\n"
        "flag: false"
    ) == {
        "metadata": {
            "openclaw": {
                "requires": {"bins": ["jq", "it's"]},
                "install": [{"id": "brew", "kind": "brew"}, {"id": "npm"}],
            },
            "empty": None,
        },
        "tools": ["Read", "Write"],
        "flag": False,
    }


def test_text_in_blocks_keeps_or_folds_its_lines():
    assert head("a: |\n  one\n   two\n\n  three\nb: >-\n  one\n  two\n\n  three\nc: x\n  y") == {
        "a": "one\n two\n\nthree",
        "b": "one two\n\nthree",
        "c": "x y",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name", "line 2 is no `key: value`"),
        ("- a", "line 2 is no `key: value`"),
        ("a: 1\nb", "line 3 is no"),
        ("a: 1\na: 2", "there already"),
        ("<<: x", "not allowed"),
        ("a: *b", "in quotes"),
        ("a: &b c", "in quotes"),
        ("a: !!python/object x", "in quotes"),
        ("\ta: 1", "tab"),
        ("a:\n    b: 1\n  c: 2", "indented"),
        ("  a: 1\nb: 2", "less than"),
        ("a:\n  - 'b'\n    - c", "indented more"),
        ("a: {", "JSON that cannot be read"),
        ("a: [b, {c]", "JSON that cannot be read"),
        ('a: "b', "quoted value"),
        ("a: 'b", "quote that is not closed"),
        ('a: "\\xZZ"', "quoted value"),
        ("\n".join(f"{' ' * n}k{n}:" for n in range(12)) + " x", "too deeply"),
        ("a: " + "x" * MAX_HEAD_CHARS, "longer than"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text: str, says: str):
    with pytest.raises(FrontMatterError, match=says.replace("|", r"\|")):
        head(text)


def test_a_head_that_is_not_closed_is_refused():
    with pytest.raises(FrontMatterError, match="not closed"):
        split_front_matter("---\nname: a\n")
