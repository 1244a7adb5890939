"""What `bootstrap.py` leaves behind besides the installed packages."""

from __future__ import annotations

import importlib.util
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


def test_the_source_has_its_bytecode_where_python_writes_none_itself(
    bootstrap, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "src" / "room.py").write_text("ANSWER = 42\n")
    bootstrap.install("run")
    cached = tmp_path / "src" / "__pycache__" / f"room.{sys.implementation.cache_tag}.pyc"
    assert cached.is_file()


def test_a_file_that_cannot_be_compiled_stops_nothing(bootstrap, tmp_path):
    (tmp_path / "src" / "broken.py").write_text("def\n")
    bootstrap.install("run")
