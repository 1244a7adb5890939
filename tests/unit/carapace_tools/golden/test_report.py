"""The verdict, for people and for programs."""

from __future__ import annotations

from carapace_tools.golden.matching import Comparison
from carapace_tools.golden.replay import Outcome
from carapace_tools.golden.report import as_json, as_text, is_clean


def outcomes() -> list[Outcome]:
    good, bad = Comparison(checked=3, relaxed={"$.ts": "type: time"}), Comparison(checked=1)
    bad.differ("$.v", "expected-value", "found-value")
    return [Outcome("health", "health: ok", good, ""), Outcome("chat.send", "c: x", bad, "why")]


def test_one_difference_spoils_it():
    assert not is_clean(outcomes())
    assert is_clean(outcomes()[:1])


def test_people_see_counts_differences_and_reasons():
    text = as_text(outcomes(), verbose=True)
    assert "1 of 2 exchanges match" in text
    assert "DIFFERS c: x" in text
    assert "recorded: expected-value" in text
    assert "1 x type: time" in text
    assert "type: time" not in as_text(outcomes())


def test_programs_see_the_same():
    report = as_json(outcomes())
    assert (report["exchanges"], report["matched"]) == (2, 1)
    cases = report["cases"]
    assert isinstance(cases, list)
    assert cases[1]["differences"] == [
        {"path": "$.v", "expected": "expected-value", "found": "found-value"}
    ]
    assert cases[1]["rewritten"] == "why"
