"""A core module takes its place in the component."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from carapace.plugins.sdk import assemble

TEXT = '(component (core module) (core module (memory (export "other") 1)))'
CORE = b"\0asm\1\0\0\0" + bytes([0, 199, 1, 2]) + b"xx" + bytes(196)


def sections(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    at = 8
    while at < len(data):
        length, start = assemble._read_leb(data, at + 1)
        found.append((data[at], data[start : start + length]))
        at = start + length
    return found


def test_only_the_first_core_module_is_replaced():
    before = bytes(wasmtime.wat2wasm(TEXT))
    after = assemble.with_core_module(before, CORE)
    assert sections(after) == [(1, CORE), *sections(before)[1:]]


def test_a_component_without_core_module_is_refused():
    with pytest.raises(ValueError, match="no core module"):
        assemble.with_core_module(bytes(wasmtime.wat2wasm("(component)")), CORE)


@pytest.mark.parametrize("number", [0, 127, 128, 16_384, 64 << 20])
def test_lengths_are_read_as_they_are_written(number: int):
    assert assemble._read_leb(assemble._leb(number), 0) == (number, len(assemble._leb(number)))


def test_the_process_reads_files_and_writes_one(tmp_path: Path):
    (tmp_path / "t.wat").write_text(TEXT)
    (tmp_path / "core.wasm").write_bytes(CORE)
    names = [str(tmp_path / each) for each in ("t.wat", "core.wasm", "made.wasm")]
    assert assemble.main(names) == 0
    assert sections((tmp_path / "made.wasm").read_bytes())[0] == (1, CORE)


def test_without_the_library_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(assemble.importlib, "import_module", absent)
    assert assemble.main([str(tmp_path), "core", "target"]) == 1
    assert "pip install" in capsys.readouterr().err
