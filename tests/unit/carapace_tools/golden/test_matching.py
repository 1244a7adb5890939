"""Everything must be equal unless a rule with a reason says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from carapace_tools.golden.matching import Comparison, Rule, compare


def compared(recorded: Any, found: Any, *rules: Rule) -> Comparison:
    return compare(recorded, found, rules, trace="t", case="c", path="$")


def paths(comparison: Comparison) -> list[str]:
    return [difference.path for difference in comparison.differences]


def test_equal_values_match_and_are_counted():
    same = {"a": [1, "x", None, True, 1.5], "b": {}}
    comparison = compared(same, same)
    assert comparison.is_match
    assert comparison.checked == 5


@pytest.mark.parametrize(
    ("recorded", "found"), [(1, 2), (1, 1.0), (True, 1), (None, 0), ("1", 1), ([], {}), ({}, [])]
)
def test_another_value_or_type_differs(recorded: Any, found: Any):
    assert paths(compared({"v": recorded}, {"v": found})) == ["$.v"]


def test_a_missing_key_differs_and_an_extra_one_is_only_counted():
    comparison = compared({"a": 1}, {"b": 2})
    assert paths(comparison) == ["$.a"]
    assert comparison.differences[0].found == "(missing)"
    assert comparison.extra == ["$.b"]


def test_lists_of_other_length_differ():
    assert paths(compared([1, 2], [1])) == ["$.length"]


def test_a_rule_relaxes_its_path_only_and_leaves_its_reason():
    rule = Rule("$.*.ts", "type", "time")
    comparison = compared({"a": {"ts": 1, "v": 1}}, {"a": {"ts": 2, "v": 2}}, rule)
    assert paths(comparison) == ["$.a.v"]
    assert comparison.relaxed == {"$.a.ts": "type: time"}


@pytest.mark.parametrize(
    ("how", "recorded", "found", "matches"),
    [
        ("type", 1, 2, True),
        ("type", 1, "2", False),
        ("present", 1, "x", True),
        ("ignored", 1, "x", True),
        ("list", [1, 2], [5], True),
        ("list", [1], ["x"], False),
        ("list", [], ["x"], True),
        ("list", [1], 5, False),
    ],
)
def test_each_kind_of_rule_asks_for_what_it_says(
    how: Any, recorded: Any, found: Any, *, matches: bool
):
    assert compared({"v": recorded}, {"v": found}, Rule("$.v", how, "r")).is_match is matches


def test_only_ignored_may_be_missing():
    assert not compared({"v": 1}, {}, Rule("$.v", "present", "r")).is_match
    assert compared({"v": 1}, {}, Rule("$.v", "ignored", "r")).is_match


def test_kinds_compares_streams_by_their_kinds_in_order():
    def event(name: str, **payload: Any) -> dict[str, Any]:
        return {"event": name, "payload": payload}

    rule = Rule("$", "kinds", "r")
    start = event("agent", stream="lifecycle", data={"phase": "start"})
    text = event("agent", stream="assistant", data={})
    final = event("chat", state="final")
    progress = event("agent", stream="tool", data={"phase": "update"})
    assert compared([start, text, final], [start, text, text, progress, final], rule).is_match
    assert not compared([start, text, final], [start, final, text], rule).is_match
    assert not compared([start], "nothing", rule).is_match


def test_a_rule_may_speak_of_one_trace_or_case_only():
    rule = Rule("$.v", "ignored", "r", trace="other")
    assert not compared({"v": 1}, {"v": 2}, rule).is_match
    assert rule.applies("other", "any", "$.v")
    assert not Rule("$.v", "ignored", "r", case="x").applies("t", "c", "$.v")


def test_long_values_are_shortened_in_the_report():
    (difference,) = compared({"v": "a" * 500}, {"v": "b"}).differences
    assert len(difference.expected) == 160
