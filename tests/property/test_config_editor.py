"""The editor and the scanner under random texts: nothing lost, nothing invented."""

from __future__ import annotations

import json
import re
from typing import Any

import pyjson5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.config.editor import set_value, unset_value
from carapace.config.json5 import Json5Error, parse
from carapace.config.located import key_text, parse_key
from carapace.config.merge_patch import merge_patch
from carapace.config.redact import redact_text, restore_text

pytestmark = pytest.mark.slow

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
)
NAMES = st.sampled_from(["a", "b", "c", "gateway", "x-y", "token", "a.b"])
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, TREES, max_size=4)


def number(tree: Any) -> Any:
    """The tree as it is read back: a whole float becomes an int."""
    if isinstance(tree, dict):
        return {name: number(one) for name, one in tree.items()}
    if isinstance(tree, list):
        return [number(one) for one in tree]
    return (
        int(tree) if isinstance(tree, float) and tree.is_integer() and abs(tree) < 2**53 else tree
    )


class Writer:
    """Writes a tree as JSON5 with comments, blanks and commas that `draw` chooses."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.comments = 0

    def gap(self) -> str:
        kind = self.draw(st.sampled_from(["", "", " ", "\n  ", "line", "block"]))
        if kind not in {"line", "block"}:
            return kind
        self.comments += 1
        mark = f"c{self.comments}c"
        return f" // {mark}\n" if kind == "line" else f" /* {mark} , }} */ "

    def write(self, tree: Any) -> str:
        if isinstance(tree, dict):
            parts = [
                f"{self.gap()}{self.name(n)}{self.gap()}:{self.gap()}{self.write(v)}{self.gap()}"
                for n, v in tree.items()
            ]
            return self.wrap("{", parts, "}")
        if isinstance(tree, list):
            return self.wrap("[", [f"{self.gap()}{self.write(v)}{self.gap()}" for v in tree], "]")
        return json.dumps(tree, ensure_ascii=self.draw(st.booleans()))

    def name(self, name: str) -> str:
        if name.isidentifier() and self.draw(st.booleans()):
            return name
        return self.draw(st.sampled_from([f'"{name}"', f"'{name}'"]))

    def wrap(self, left: str, parts: list[str], right: str) -> str:
        trailing = "," if parts and self.draw(st.booleans()) else ""
        return left + ",".join(parts) + trailing + self.gap() + right


@st.composite
def documents(draw: Any) -> tuple[str, dict[str, Any]]:
    tree = draw(OBJECTS)
    writer = Writer(draw)
    return writer.gap() + writer.write(tree) + writer.gap(), number(tree)


def comments(text: str) -> set[str]:
    return set(re.findall(r"\bc\d+c\b", text))


@given(documents())
def test_the_scanner_agrees_with_an_independent_one(document: tuple[str, dict[str, Any]]):
    text, tree = document
    assert parse(text).plain() == tree
    assert number(pyjson5.decode(text)) == tree


@given(documents(), NAMES, SCALARS | st.lists(SCALARS, max_size=2))
def test_after_a_set_the_tree_is_the_expected_one_and_every_comment_is_there(
    document: tuple[str, dict[str, Any]], name: str, value: Any
):
    text, tree = document
    after = set_value(text, (name,), value)
    assert parse(after).plain() == {**tree, name: number(value)}
    replaced = parse(text).member(name)
    inside = comments(text[replaced.node.start : replaced.node.end]) if replaced else set()
    assert comments(text) - comments(after) <= inside


@given(documents(), NAMES, NAMES, SCALARS)
def test_a_deep_set_leaves_the_rest_alone(
    document: tuple[str, dict[str, Any]], name: str, inner: str, value: Any
):
    text, tree = document
    before = tree.get(name)
    if isinstance(before, list):
        return
    after = set_value(text, (name, inner), value)
    held = before if isinstance(before, dict) else {}
    assert parse(after).plain() == {**tree, name: {**held, inner: number(value)}}


@given(documents(), st.data())
def test_after_an_unset_only_that_is_gone(document: tuple[str, dict[str, Any]], data: Any):
    text, tree = document
    if not tree:
        return
    name = data.draw(st.sampled_from(sorted(tree)))
    after = unset_value(text, (name,))
    assert parse(after).plain() == {n: v for n, v in tree.items() if n != name}


@given(documents(), OBJECTS)
def test_a_whole_tree_can_be_laid_over(document: tuple[str, dict[str, Any]], target: Any):
    text, _ = document
    assert parse(set_value(text, (), target)).plain() == number(target)


@given(documents())
def test_hiding_and_restoring_gives_the_same_text(document: tuple[str, dict[str, Any]]):
    text, _ = document
    assert restore_text(redact_text(text), text) == text


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str):
    place = (1, 1)
    try:
        parse(text)
    except Json5Error as error:
        place = error.line, error.column
    lines = re.split(r"\r\n|\n|\r", text)
    assert 1 <= place[0] <= len(lines)
    assert 1 <= place[1] <= len(lines[place[0] - 1]) + 2


@given(st.lists(st.text(min_size=1, max_size=6) | st.integers(0, 99), min_size=1, max_size=4))
def test_keys_survive_being_written(key: list[str | int]):
    if isinstance(key[0], int):
        return
    assert parse_key(key_text(key)) == tuple(key)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_applied_twice_changes_nothing_more(target: Any, patch: Any):
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
