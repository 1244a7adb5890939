"""Compilers are found or named, and what they say is passed on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from carapace.errors import Failed, Refused
from carapace.plugins.sdk import toolchain


def nothing(*_args: object) -> None:
    return None


@pytest.fixture
def no_toolchains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", nothing)
    monkeypatch.setattr(toolchain.shutil, "which", nothing)
    monkeypatch.setattr(toolchain, "_DEBIAN_RUSTC", "/nowhere/rustc")


@pytest.mark.usefixtures("no_toolchains")
def test_a_missing_toolchain_comes_with_its_install_command(tmp_path: Path):
    for find, install in (
        (toolchain.python_componentizer, 'pip install "carapace-gateway[plugins,plugin-sdk]"'),
        (toolchain.c_compiler, 'pip install "carapace-gateway[plugins,plugin-sdk]"'),
        (lambda: toolchain.js_componentizer(tmp_path), "npm install --save-dev componentize-qjs@"),
        (toolchain.rust_compiler, "apt install rustc libstd-rust-dev-wasm32"),
    ):
        with pytest.raises(Refused) as caught:
            find()
        assert install in caught.value.message


def test_installed_toolchains_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda _name: object())
    assert toolchain.python_componentizer()[0] == sys.executable
    assert toolchain.c_compiler() == [sys.executable, "-m", "ziglang", "cc"]
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", nothing)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: f"/bin/{name}")
    assert toolchain.c_compiler() == ["/bin/zig", "cc"]
    assert toolchain.js_componentizer(tmp_path) == ["/bin/componentize-qjs"]


def rustc(folder: Path, library: Path | None) -> Path:
    """A program that says where its library for WebAssembly is, if it has one."""
    folder.mkdir()
    made = folder / "rustc"
    said = (
        "exit 1"
        if library is None
        else f'case "$*" in *{toolchain.RUST_TARGET}) echo {library};; esac'
    )
    made.write_text(f"#!/bin/sh\n{said}\n")
    made.chmod(0o755)
    return made


def test_a_rust_compiler_counts_that_has_the_library_for_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    has = rustc(tmp_path / "has", tmp_path)
    lacks, knows_not = rustc(tmp_path / "lacks", tmp_path / "gone"), rustc(tmp_path / "not", None)
    for first, second, found in (
        (has, lacks, has),
        (lacks, has, has),
        (knows_not, has, has),
        (None, has, has),
        (has, tmp_path / "nowhere", has),
    ):
        monkeypatch.setattr(
            toolchain.shutil, "which", lambda _name, first=first: first and str(first)
        )
        monkeypatch.setattr(toolchain, "_DEBIAN_RUSTC", str(second))
        assert toolchain.rust_compiler() == [str(found)]


def test_a_project_brings_its_own_npm_packages(tmp_path: Path):
    command = tmp_path / "node_modules" / ".bin" / "componentize-qjs"
    command.parent.mkdir(parents=True)
    command.touch()
    inner = tmp_path / "plugins" / "hello"
    assert toolchain.js_componentizer(inner) == [str(command)]


def run(code: str, folder: Path, *, timeout_s: float = 60.0) -> str:
    command = [sys.executable, "-c", code]
    return toolchain.run(command, folder=folder, what="try", timeout_s=timeout_s)


def test_what_a_compiler_prints_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", "gone")
    code = "import os; print(os.getcwd(), os.environ.get('PYTHONPATH'))"
    assert run(code, tmp_path) == f"{tmp_path} None"


def test_mistakes_are_told_in_the_compilers_words(tmp_path: Path):
    with pytest.raises(Refused, match="Could not try:\nline 7 is wrong"):
        run("import sys; sys.exit('line 7 is wrong')", tmp_path)
    with pytest.raises(Refused, match="exit code 3"):
        run("raise SystemExit(3)", tmp_path)


def test_a_compiler_that_does_not_end_is_ended(tmp_path: Path):
    with pytest.raises(Failed, match=r"took longer than 0\.2 s"):
        run("import time; time.sleep(60)", tmp_path, timeout_s=0.2)
