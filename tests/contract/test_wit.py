"""The contract in `wit/` keeps our rules, and what was released stays as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.wit.rules import broken_promises, offences
from carapace.plugins.sdk.wit.syntax import parse

WIT = Path(__file__).resolve().parents[2] / "wit"
RELEASED = sorted((WIT / "released").glob("*.wit"))


def test_the_contract_keeps_the_rules():
    assert offences(contract()) == []


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_nothing_that_was_released_has_gone_or_changed(path: Path):
    released = parse(path.read_text("utf-8"))
    assert released.version.rpartition(".")[0] == path.stem
    assert broken_promises(released, contract()) == []


def test_the_version_that_is_spoken_is_released():
    assert contract().version.rpartition(".")[0] in {path.stem for path in RELEASED}


@pytest.mark.slow
def test_another_reader_of_wit_finds_the_same_interfaces(tmp_path: Path):
    pytest.importorskip("componentize_py")
    command = [sys.executable, "-c", "import componentize_py as c; c.script()"]
    command += ["-d", str(WIT / "plugin.wit"), "-w", "everything", "bindings", str(tmp_path / "b")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    everything = contract().worlds["everything"]
    made = tmp_path / "b" / "wit_world"
    imports = {path.stem.replace("_", "-") for path in (made / "imports").glob("*.py")}
    assert set(everything.imports) <= imports
    exports = (made / "exports" / "__init__.py").read_text("utf-8")
    for name in everything.exports:
        assert f"class {name.capitalize()}(" in exports
