"""JSON Schema in words."""

from __future__ import annotations

from typing import Any

import pytest

from carapace_tools.reference.shapes import field_table, link, words


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 9},
         "string, 1 characters or more, 9 characters at most"),
        ({"type": "integer", "minimum": 0, "maximum": 5}, "integer, at least 0, at most 5"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"$ref": "#/$defs/Tick"}, "[Tick](types.md#tick)"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1},
         "list of string, 1 items or more"),
        ({"type": "array"}, "list"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
         "list of string, integer"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "object of boolean"),
        ({"type": "object", "additionalProperties": False}, "object"),
        ({}, "anything"),
    ],
)  # fmt: skip
def test_each_shape_has_its_words(schema: dict[str, Any], text: str):
    assert words(schema) == text


def test_a_table_says_what_is_required_and_what_stands_in():
    lines = field_table(
        {
            "properties": {
                "key": {"type": "string", "description": "a|b"},
                "flag": {"type": "boolean", "default": False},
                "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            },
            "required": ["key"],
        }
    )
    assert lines[2:] == [
        "| `key` | string | required | a\\|b |",
        "| `flag` | boolean | `false` |  |",
        "| `maybe` | string or null | absent |  |",
        "",
    ]
    assert field_table({"type": "object"}) == []


def test_a_link_leads_to_the_types_own_section():
    assert link("ChatSend") == "[ChatSend](types.md#chatsend)"
