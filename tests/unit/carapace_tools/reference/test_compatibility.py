"""The page about compatibility counts what was recorded, and hides nothing that is missing."""

from __future__ import annotations

import json
from pathlib import Path

from carapace_tools.reference.compatibility import compatibility_page, coverage

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
[[step]]
trace = "http/hooks"
case = "error: huge"
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
    (folder / "scenarios").mkdir()
    (folder / "scenario.toml").write_text(SHARED)
    (folder / "scenarios" / "http.toml").write_text(OWN)
    return folder


def test_what_is_held_missing_and_refused_is_counted(tmp_path: Path):
    found = coverage(recordings(tmp_path))
    assert len(found.recorded) == 4
    assert found.replayed[("http/hooks", "error: huge")] == "http"
    assert found.replayed[("event.tick", "tick")] == "tests/golden/test_schema.py"
    assert found.missing == (("health", "error: params"),)
    assert found.safer == {("http/hooks", "error: huge"): "answered with 413 | and a body"}
    assert found.tolerated == {"time": 2}


def test_the_page_says_so(tmp_path: Path):
    page = compatibility_page(recordings(tmp_path))
    assert "- recorded exchanges: 4" in page
    assert "- held: 3 (75.0 %)" in page
    assert "| `health` | 2 | 1 | 0 | scenario |" in page
    assert "- `health`: error: params" in page
    assert "- `http/hooks`, error: huge: answered with 413" in page


def test_everything_recorded_is_held_and_no_refusal_comes_unnoticed():
    """Whoever adds a deliberate difference raises the number here, or finds a better way."""
    found = coverage(TRACES)
    assert found.missing == ()
    assert len(found.safer) == 13
