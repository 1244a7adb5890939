"""Trace files as values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from carapace_tools.golden.traces import load_trace


def test_a_trace_is_read_and_its_cases_found_by_name(tmp_path: Path):
    close = {"code": 1008, "reason": "r", "afterSeconds": 2}
    timed = [{"tMs": 1, "frame": {"event": "a"}}, {"event": "b"}]
    cases = [{"case": "one", "request": None, "events": timed, "close": close}]
    (tmp_path / "x.json").write_text(json.dumps({"name": "x", "method": "m", "cases": cases}))
    trace = load_trace(tmp_path, "x")
    case = trace.case("one")
    assert case.frames() == [{"event": "a"}, {"event": "b"}]
    assert case.close is not None
    assert (case.close.code, case.close.after_seconds) == (1008, 2)
    with pytest.raises(KeyError, match="x has no case 'two'"):
        trace.case("two")
