"""An author's folder is read, and changes of it are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.sdk.project import open_project

MANIFEST = """id = "hello"
version = "1.0.0"
name = "Hello"
wit = "1.0"
roles = ["tool"]

[permissions]
kv_max_bytes = 65536
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugin.toml").write_text(MANIFEST)
    (tmp_path / "app.py").write_text("x = 1\n")
    return tmp_path


def test_the_world_follows_from_the_manifest(folder: Path):
    project = open_project(folder)
    assert (project.language, project.main.name) == ("python", "app.py")
    assert project.imports == ("config", "kv", "log", "status")
    assert project.exports == ("manifest", "tool")
    assert project.wasm == folder / "build" / "plugin.wasm"


def test_sources_are_ours_and_in_the_language(folder: Path):
    for name in ("inner/more.py", "build/made.py", "tests/test_app.py", ".venv/x.py", "notes.txt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    names = [path.relative_to(folder).as_posix() for path in open_project(folder).sources()]
    assert names == ["app.py", "inner/more.py"]


def test_a_changed_source_or_world_is_noticed(folder: Path):
    first = open_project(folder).digest()
    (folder / "app.py").write_text("x = 2\n")
    second = open_project(folder).digest()
    (folder / "plugin.toml").write_text(MANIFEST + "media = true\n")
    third = open_project(folder).digest()
    assert len({first, second, third}) == 3


def test_who_publishes_it_makes_no_other_component(folder: Path):
    first = open_project(folder).digest()
    (folder / "plugin.toml").write_text(MANIFEST.replace('"Hello"', '"Hello again"'))
    assert open_project(folder).digest() == first


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda folder: (folder / "plugin.toml").unlink(), "no plugin.toml"),
        (lambda folder: (folder / "plugin.toml").write_text("id = 1"), "plugin.toml"),
        (lambda folder: (folder / "app.py").unlink(), "none of app.py, app.js, app.c"),
        (lambda folder: (folder / "app.c").write_text(""), "several of"),
    ],
)
def test_what_is_missing_or_too_much_is_said(folder: Path, break_it, why: str):
    break_it(folder)
    with pytest.raises(Refused, match=why):
        open_project(folder)
