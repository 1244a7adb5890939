"""Bodies are bounded before a value is built."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.triggers.bounded_json import MAX_DEPTH, depth_of, json_body, json_object
from carapace.triggers.webhook_types import BadBody
from support.webhooks import raw


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (b"1", 0),
        (b"{}", 1),
        (b'[{"a":[1]}]', 3),
        (b'{"a":"[[[[{{"}', 1),
        (b'{"a":"\\"[[["}', 1),
        (b"[[]][[[]]]", 3),
        (b'"never closed [[[', 3),
    ],
)
def test_depth_counts_brackets_outside_texts(body: bytes, depth: int):
    assert depth_of(body) == depth


def test_counting_stops_above_the_limit():
    assert depth_of(b"[" * 1_000_000, limit=5) == 6


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"", {}), (b"  \n", {}), (b"[1]", [1]), (b'{"a":null}', {"a": None})],
)
def test_a_body_becomes_a_value(body: bytes, value: Any):
    assert json_body(raw(body)) == value


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{bad", "not JSON"),
        (b'"\xff"', "not JSON"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "64 levels"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
)
def test_what_is_no_object_is_refused_in_words(body: bytes, text: str):
    with pytest.raises(BadBody, match=text):
        json_object(raw(body))


def test_the_deepest_allowed_body_is_read():
    assert json_body(raw(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH))


def test_an_object_is_read():
    assert json_object(raw(b'{"a":{"b":[]}}')) == {"a": {"b": []}}
