"""The page about compatibility counts what was recorded, and hides nothing that is missing."""

from __future__ import annotations

import json
from pathlib import Path

from carapace_tools.reference.compatibility import Tolerance, compatibility_page, coverage

ROOT = Path(__file__).resolve().parents[4]
TRACES = ROOT / "tests" / "golden" / "node-2026.1"

SHARED = """
[[rule]]
path = "*.ts"
how = "type"
reason = "time"
[[step]]
trace = "health"
case = "ok"
"""
OWN = """
rules_of = "../scenario.toml"
[[rule]]
path = "$.responses"
how = "ignored"
trace = "http/hooks"
case = "error: huge"
reason = "safer: answered with 413 | and a body"
[[rule]]
path = "$.responses"
how = "ignored"
trace = "http/models"
reason = "beyond: the next release has a list"
[[step]]
trace = "http/hooks"
case = "error: huge"
[[step]]
trace = "http/models"
case = "list"
[[step]]
trace = "http/set"
case = "unknown"
rewrite = { "params.raw" = "x" }
why = "a wrong one instead"
differs = "unknown keys warn"
"""


def record(folder: Path, name: str, *cases: str) -> None:
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"case": case, "request": None} for case in cases]
    path.write_text(json.dumps({"name": name, "method": name, "cases": rows}))


def recordings(folder: Path) -> Path:
    record(folder, "health", "ok", "error: params")
    record(folder, "event.tick", "tick")
    record(folder, "http/hooks", "error: huge")
    record(folder, "http/models", "list")
    record(folder, "http/set", "unknown")
    (folder / "scenarios").mkdir()
    (folder / "scenario.toml").write_text(SHARED)
    (folder / "scenarios" / "http.toml").write_text(OWN)
    return folder


def test_what_is_held_missing_and_refused_is_counted(tmp_path: Path):
    found = coverage(recordings(tmp_path))
    assert len(found.recorded) == 6
    assert found.replayed[("http/hooks", "error: huge")] == "http"
    assert found.replayed[("event.tick", "tick")] == "tests/golden/test_schema.py"
    assert found.missing == (("health", "error: params"),)
    assert found.safer == {("http/hooks", "error: huge"): "answered with 413 | and a body"}
    assert found.beyond == {("http/models", "list"): "the next release has a list"}
    assert found.other == {("http/set", "unknown"): "unknown keys warn"}
    assert found.reworded == {("http/set", "unknown"): "a wrong one instead"}
    assert found.differences == 2
    assert found.tolerated == {Tolerance("*", "*", "*.ts", "type", "time"): 4}


def test_the_page_says_so(tmp_path: Path):
    page = compatibility_page(recordings(tmp_path))
    assert "- recorded exchanges: 6" in page
    assert "- held: 5 (83.3 %)" in page
    assert "- deliberate differences: 2 (33.3 %), 1 of them refusals that are safer" in page
    assert "- answered beyond the recording: 1" in page
    assert "- asked in other words: 1" in page
    assert "| `health` | 2 | 1 | 0 | scenario |" in page
    assert "- `health`: error: params" in page
    assert "- `http/hooks`, error: huge: answered with 413" in page
    assert "- `http/set`, unknown: unknown keys warn" in page
    assert "- `http/set`, unknown: a wrong one instead" in page
    assert "- `http/models`, list: the next release has a list" in page
    assert "| `*` | any | `*.ts` | type | time | 4 |" in page


def test_everything_recorded_is_held_and_no_difference_comes_unnoticed():
    """Whoever adds a deliberate difference raises the number here, or finds a better way."""
    found = coverage(TRACES)
    assert found.missing == ()
    assert len(found.safer) == 12
    assert found.other == {}  # all of them are refusals that are safer
    assert len(found.beyond) == 13


def test_at_most_three_in_a_hundred_differ_deliberately():
    found = coverage(TRACES)
    assert len(found.recorded) >= 433
    assert found.differences * 100 <= 3 * len(found.recorded)


def test_what_differs_is_in_the_page_that_is_kept():
    page = (ROOT / "docs" / "reference" / "compatibility.md").read_text("utf-8")
    found = coverage(TRACES)
    reasons = [*found.safer.values(), *found.other.values(), *found.beyond.values()]
    reasons += [*found.reworded.values(), *(one.reason for one in found.tolerated)]
    assert [one for one in reasons if one.replace("|", "\\|") not in page] == []
