"""Components are built for the world of their manifest."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from carapace.errors import Failed, Refused
from carapace.plugins.sdk import build as building
from carapace.plugins.sdk import toolchain
from carapace.plugins.sdk.build import build, is_current
from carapace.plugins.sdk.new import ROLES, create
from carapace.plugins.sdk.project import Project, open_project


def digest(project: Project) -> str:
    return hashlib.sha256(project.wasm.read_bytes()).hexdigest()


class Recorded:
    """Stands for a toolchain: writes what it was told to make, and keeps the command."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.command: list[str] = []
        monkeypatch.setattr(toolchain, "run", self)
        monkeypatch.setattr(toolchain, "python_componentizer", lambda: ["componentize-py"])
        monkeypatch.setattr(toolchain, "js_componentizer", lambda _folder: ["componentize-qjs"])

    def __call__(self, command: list[str], *, folder: Path, what: str) -> str:
        assert folder.is_dir()
        self.command = command
        Path(command[command.index("-o") + 1]).write_bytes(what.encode())
        return ""


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(monkeypatch)


def test_python_gets_an_entry_module_and_its_world(tmp_path: Path, recorded: Recorded):
    project = open_project(create(tmp_path / "hello", language="python"))
    assert build(project).read_bytes() == b"build app.py"
    assert "carapace_entry" in recorded.command
    entry = (project.build_dir / "entry" / "carapace_entry.py").read_text()
    assert "exports_of('hello', '0.1.0', ('tool',))" in entry
    assert entry.endswith("settle()\n"), "nothing comes after the memory is settled"
    searched = [
        recorded.command[at + 1] for at, each in enumerate(recorded.command) if each == "-p"
    ]
    assert searched == [str(project.folder), str(project.build_dir / "entry")]
    assert (project.build_dir / "entry" / "carapace_plugin" / "tools.py").is_file()
    assert "export carapace:plugin/tool@1.0.0;" in (project.build_dir / "wit/world.wit").read_text()
    assert (project.build_dir / "wit/deps/carapace/plugin.wit").is_file()


def test_python_that_binds_itself_is_its_own_entry(tmp_path: Path, recorded: Recorded):
    project = open_project(create(tmp_path / "hello", language="python"))
    project.main.write_text("class Manifest: ...\n")
    build(project)
    assert recorded.command[recorded.command.index("componentize") + 1] == "app"


def test_javascript_is_one_file(tmp_path: Path, recorded: Recorded):
    project = open_project(create(tmp_path / "hello", language="js"))
    build(project)
    assert recorded.command[recorded.command.index("-j") + 1] == str(project.main)
    assert "--sync" in recorded.command


def test_a_build_is_current_until_a_source_changes(tmp_path: Path, recorded: Recorded):
    project = open_project(create(tmp_path / "hello", language="js"))
    assert not is_current(project)
    build(project)
    assert is_current(project)
    project.main.write_text("// other")
    assert not is_current(project)


def test_a_toolchain_that_makes_nothing_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = open_project(create(tmp_path / "hello", language="js"))
    monkeypatch.setitem(building._BUILDERS, "js", lambda _project, _target: None)
    with pytest.raises(Failed, match="gave no component"):
        build(project)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_c_of_every_role_is_built_without_a_warning(
    tmp_path: Path, role: str, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    real = toolchain.run

    def run(*given: object, **named: object) -> str:
        said.append(real(*given, **named))  # pyright: ignore[reportArgumentType] - passed on
        return said[-1]

    monkeypatch.setattr(toolchain, "run", run)
    project = open_project(create(tmp_path / "hello", language="c", role=role))
    assert build(project).read_bytes().startswith(b"\0asm\r\0\1\0")
    assert said == ["", ""]


@pytest.mark.slow
def test_c_is_the_same_wherever_it_is_built(tmp_path: Path):
    first = open_project(create(tmp_path / "one" / "hello", language="c"))
    second_folder = tmp_path / "other-place" / "deeper" / "hello"
    shutil.copytree(first.folder, second_folder)
    second = open_project(second_folder)
    build(first)
    build(second)
    assert digest(first) == digest(second)


@pytest.mark.slow
def test_a_mistake_in_c_is_told_with_its_line(tmp_path: Path):
    project = open_project(create(tmp_path / "hello", language="c"))
    project.main.write_text('#include "carapace_plugin.h"\nint x = nothing;\n')
    with pytest.raises(Refused, match=r"app\.c:2:9: error"):
        build(project)
    assert not project.wasm.exists()
