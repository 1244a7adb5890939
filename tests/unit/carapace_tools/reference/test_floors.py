"""The diagram shows the floors of the linter's contract, top first."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace_tools.reference.floors import floors_diagram

CONTRACT = """
[[tool.importlinter.contracts]]
name = "Another"
type = "forbidden"
[[tool.importlinter.contracts]]
name = "Floors"
type = "layers"
layers = ["top", "left | right", "(planned)", "(later) | ground"]
"""


def test_rooms_stand_on_their_floors_and_planned_ones_are_left_out(tmp_path: Path):
    (tmp_path / "p.toml").write_text(CONTRACT)
    assert floors_diagram(tmp_path / "p.toml").splitlines() == [
        "```mermaid",
        "flowchart TD",
        '    f0["top"]',
        '    f1["left · right"]',
        '    f2["ground"]',
        "    f0 --> f1",
        "    f1 --> f2",
        "```",
    ]


def test_without_a_contract_there_is_no_diagram(tmp_path: Path):
    (tmp_path / "p.toml").write_text("[tool.importlinter]\ncontracts = []")
    with pytest.raises(LookupError, match="no contract"):
        floors_diagram(tmp_path / "p.toml")
