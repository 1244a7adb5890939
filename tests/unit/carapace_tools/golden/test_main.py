"""The command: exit code 0 only if everything matches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carapace_tools.golden import __main__ as command
from carapace_tools.golden.matching import Comparison
from carapace_tools.golden.replay import Outcome


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenario.toml").write_text("step = []")
    return tmp_path


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch) -> Comparison:
    comparison = Comparison(checked=1, relaxed={"$.ts": "type: time"})

    class Replayed:
        def __init__(self, *given: Any) -> None:
            assert given[:2] == ("ws://x/", "t")

        async def run(self) -> list[Outcome]:
            return [Outcome("health", "health: ok", comparison, "")]

    monkeypatch.setattr(command, "Replay", Replayed)
    return comparison


def test_a_match_is_0_a_difference_1(
    folder: Path, verdict: Comparison, capsys: pytest.CaptureFixture[str]
):
    arguments = [str(folder), "--url", "ws://x/", "--token", "t"]
    assert command.main([*arguments, "--verbose"]) == 0
    assert "1 x type: time" in capsys.readouterr().out
    verdict.differ("$.v", 1, 2)
    assert command.main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["matched"] == 0


def test_all_scenarios_are_run_or_the_named_ones(
    folder: Path, verdict: Comparison, capsys: pytest.CaptureFixture[str]
):
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "http.toml").write_text("step = []")
    arguments = [str(folder), "--url", "ws://x/", "--token", "t", "--json"]
    found: list[int] = []
    for more in ([], ["--scenario", "http"]):
        assert command.main([*arguments, *more]) == 0
        found.append(json.loads(capsys.readouterr().out)["exchanges"])
    assert found == [2, 1]
    assert verdict.is_match
