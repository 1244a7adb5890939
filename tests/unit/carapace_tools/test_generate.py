"""Generated files are written when they differ, and a check names those that do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema_rs
import pytest

from carapace_tools.generate import main, pages

ROOT = Path(__file__).resolve().parents[3]
TRACES = Path("tests", "golden", "node-2026.1")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree with nothing but what the generators read."""
    (tmp_path / "docs/explain").mkdir(parents=True)
    for name in ("pyproject.toml", "docs/explain/architecture.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / TRACES, tmp_path / TRACES)
    return tmp_path


@pytest.mark.slow
def test_a_check_writes_nothing_and_names_what_is_not_current(
    copy: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["--check"], root=copy) == 1
    assert "schemas/protocol.json is not current: run `just generate`" in capsys.readouterr().err
    assert not (copy / "schemas").exists()
    assert main([], root=copy) == 0
    assert "wrote docs/reference/websocket.md" in capsys.readouterr().err
    assert main(["--check"], root=copy) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_the_committed_files_are_current(capsys: pytest.CaptureFixture[str]):
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_floors_replace_what_stood_between_the_markers(copy: Path):
    page = copy / "docs/explain/architecture.md"
    text = "before\n<!-- floors: generated -->\nold\n<!-- end -->\nafter\n"
    page.write_text(text)
    made = dict(pages(copy))["docs/explain/architecture.md"]
    assert made.startswith("before\n<!-- floors: generated -->\n```mermaid\n")
    assert made.endswith("```\n<!-- end -->\nafter\n")
    assert "old" not in made


def test_the_schemas_are_valid(copy: Path):
    made = dict(pages(copy))
    for name in ("schemas/protocol.json", "schemas/config.json"):
        jsonschema_rs.validator_for(json.loads(made[name]))
