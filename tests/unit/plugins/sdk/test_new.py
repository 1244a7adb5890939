"""A new plugin is complete: its manifest is right and its cases can be read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.sdk.cases import load_cases
from carapace.plugins.sdk.new import ROLES, create
from carapace.plugins.sdk.project import LANGUAGES, open_project

ROOT = Path(__file__).resolve().parents[4]


BEGINNINGS = [
    (language, role)
    for language in LANGUAGES.values()
    for role in ROLES
    if language != "rust" or role == "tool"
]


@pytest.mark.parametrize(("language", "role"), BEGINNINGS)
def test_every_role_in_every_language(tmp_path: Path, role: str, language: str):
    folder = create(tmp_path / "my-plugin", language=language, role=role)
    project = open_project(folder)
    assert project.language == language
    assert role in project.manifest.roles
    assert load_cases(folder).case
    text = project.main.read_text("utf-8")
    assert "@id@" not in text
    assert "@head@" not in text
    if language == "python":
        ast.parse(text)


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_the_plugins_to_learn_from_are_what_new_makes(tmp_path: Path, language: str):
    made = create(tmp_path / f"hello-{language}", language=language)
    kept = ROOT / "plugins" / f"hello-{language}"
    for path in made.iterdir():
        assert (kept / path.name).read_text("utf-8") == path.read_text("utf-8"), path.name


def test_rust_begins_with_a_tool(tmp_path: Path):
    with pytest.raises(Refused, match="no beginning of a channel in Rust"):
        create(tmp_path / "hello", language="rust", role="channel")
    assert not (tmp_path / "hello").exists()


@pytest.mark.parametrize("name", ["A", "-x", "x", "under_score", "a" * 33])
def test_a_name_that_is_no_id_is_refused(tmp_path: Path, name: str):
    with pytest.raises(Refused, match="is no id of a plugin"):
        create(tmp_path / name, language="python")


def test_nothing_is_overwritten(tmp_path: Path):
    (tmp_path / "used").mkdir()
    create(tmp_path / "used", language="js")
    with pytest.raises(Refused, match="is in use"):
        create(tmp_path / "used", language="js")
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="is in use"):
        create(tmp_path / "file", language="js")
