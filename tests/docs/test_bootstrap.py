"""`bootstrap.py`, in a checkout of one module whose environment is there already."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("bootstrap.py", "pyproject.toml", "requirements/run.lock"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    source = tmp_path / "src" / "sample"
    source.mkdir(parents=True)
    (source / "one.py").write_text("NUMBER = 1\n")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    fingerprint = _module(tmp_path).fingerprint("run")
    (tmp_path / ".venv" / "carapace-run.stamp").write_text(fingerprint)
    return tmp_path


def _module(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", folder / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _install(folder: Path) -> None:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(folder / "bootstrap.py"), "install", "run"]
    subprocess.run(command, check=True, env=environment, cwd=folder, timeout=60)


def _imported(folder: Path) -> str:
    """What Python says it read when it imports the module."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-v", "-c", "import sample.one"]
    done = subprocess.run(
        command, check=True, env=environment, capture_output=True, text=True, timeout=60
    )
    return done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a link to the interpreter is not enough there")
def test_a_start_never_compiles_what_was_set_up_even_where_python_writes_no_bytecode(
    checkout: Path,
):
    place = checkout / "src" / "sample" / "one.py"
    assert f"code object from '{place}'" in _imported(checkout), "so a start would compile it"
    _install(checkout)
    said = _imported(checkout)
    assert f"code object from '{place}'" not in said
    assert "one.cpython" in said
    place.write_text("NUMBER = 2  # another release\n")
    _install(checkout)
    assert f"code object from '{place}'" not in _imported(checkout)
