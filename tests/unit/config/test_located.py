from __future__ import annotations

import pytest

from carapace.config.json5 import Lines, parse
from carapace.config.located import Located, Place, key_text, locate, merge, parse_key


def read(text, file="a.json"):
    return locate(parse(text), file, Lines(text))


def test_a_place_is_file_line_and_column():
    assert str(Place("a.json", 3, 5)) == "a.json:3:5"
    assert str(Place("CARAPACE_GATEWAY_PORT")) == "CARAPACE_GATEWAY_PORT"


def test_values_remember_where_their_key_stands():
    tree = read("{\n a: {b: [1, 2]}\n}")
    assert tree.place_of(("a", "b")) == Place("a.json", 2, 6)
    assert tree.place_of(("a", "b", 1)) == Place("a.json", 2, 13)
    assert tree.plain() == {"a": {"b": [1, 2]}}


def test_the_place_of_something_missing_is_that_of_what_would_hold_it():
    tree = read("{\n a: {}\n}")
    assert tree.place_of(("a", "x", "y")) == Place("a.json", 2, 2)


@pytest.mark.parametrize("key", [("a", 5), ("a", "x"), ("b",), ("a", 0, "deep")])
def test_what_is_not_there_is_not_found(key):
    assert read("{a: [1]}").find(key) is None


def test_objects_merge_deeply_lists_join_and_the_rest_is_replaced():
    base = read("{a: {x: 1, y: 2}, l: [1], s: 'base', o: {k: 1}}")
    over = read("{a: {y: 3}, l: [2], s: 'over', o: 5}", "b.json")
    merged = merge(base, over)
    assert merged.plain() == {"a": {"x": 1, "y": 3}, "l": [1, 2], "s": "over", "o": 5}
    assert merged.place_of(("a", "x")).file == "a.json"
    assert merged.place_of(("a", "y")).file == "b.json"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("gateway.port", ("gateway", "port")),
        ("agents.list[0].id", ("agents", "list", 0, "id")),
        ('models.providers["a.b"].baseUrl', ("models", "providers", "a.b", "baseUrl")),
        (r'x["q\"\\"]', ("x", 'q"\\')),
    ],
)
def test_keys_are_written_and_read_back(text, key):
    assert parse_key(text) == key
    assert key_text(key) == text


@pytest.mark.parametrize("text", ["", ".", "a..b", "a.", "a[x]", "a[1", 'a["b', "a[]"])
def test_nonsense_is_no_key(text):
    with pytest.raises(ValueError, match="is no key"):
        parse_key(text)


def test_null_is_a_value_like_any_other():
    assert Located(None, Place("x")).plain() is None
