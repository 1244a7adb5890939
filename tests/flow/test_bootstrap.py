"""What `bootstrap.py` leaves behind besides the installed packages."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path, monkeypatch) -> ModuleType:
    """The script, for a checkout elsewhere and with this interpreter."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "src").mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "python", lambda: sys.executable)
    monkeypatch.setattr(module, "install_packages", lambda _kind: None)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    return module


def _said_at_import(folder: Path) -> str:
    """What Python tells of importing `room`, where it writes no bytecode."""
    command = [sys.executable, "-v", "-c", "import room"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stderr


def test_a_start_compiles_nothing_where_python_writes_no_bytecode_itself(
    bootstrap, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    source = tmp_path / "src" / "room.py"
    compiled = f"# code object from {source}\n"
    for release in (1, 2):
        source.write_text(f"RELEASE = {release}\n")
        os.utime(source, (release, release))  # what is current is told by whole seconds
        assert compiled in _said_at_import(source.parent)
        bootstrap.install("run")
        assert compiled not in _said_at_import(source.parent)


def test_a_file_that_cannot_be_compiled_stops_nothing(bootstrap, tmp_path):
    for name, text in (("broken", "def\n"), ("room", "ANSWER = 42\n")):
        (tmp_path / "src" / f"{name}.py").write_text(text)
    bootstrap.install("run")
    kept = [one.name.split(".")[0] for one in (tmp_path / "src" / "__pycache__").iterdir()]
    assert kept == ["room"]
