"""The compilers that builds run: where they are, how to get them, and running them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from carapace.errors import Failed, Refused

__all__ = [
    "RUST_TARGET",
    "c_compiler",
    "js_componentizer",
    "python_componentizer",
    "run",
    "rust_compiler",
]

QJS_VERSION: Final = "0.4.5"
RUST_TARGET: Final = "wasm32-unknown-unknown"
BUILD_TIMEOUT_S: Final = 300.0
_EXTRA: Final = 'pip install "carapace-gateway[plugins,plugin-sdk]"'
_DEBIAN_RUSTC: Final = "/usr/bin/rustc"
"""Beside one of rustup, which is first on the path and may lack the target."""
_RUST_INSTALL: Final = (
    f"rustup target add {RUST_TARGET}, or on Debian: apt install rustc libstd-rust-dev-wasm32"
)
_MAX_TOLD_LINES: Final = 40
# Its site-packages would join the search path of componentize-py.
_NOT_PASSED: Final = frozenset({"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"})


def python_componentizer() -> list[str]:
    """The command that makes a component of Python.

    Raises:
        Refused: If it is not installed, with the command that installs it.
    """
    if importlib.util.find_spec("componentize_py") is None:
        raise _missing("componentize-py", "Python", _EXTRA)
    return [sys.executable, "-c", "import sys, componentize_py; sys.exit(componentize_py.script())"]


def js_componentizer(folder: Path) -> list[str]:
    """The command that makes a component of JavaScript, from `folder` upwards or the path.

    Raises:
        Refused: If it is not installed, with the command that installs it.
    """
    for place in (folder, *folder.parents):
        command = place / "node_modules" / ".bin" / "componentize-qjs"
        if command.exists():
            return [str(command)]
    found = shutil.which("componentize-qjs")
    if found is None:
        install = f"npm install --save-dev componentize-qjs@{QJS_VERSION}"
        raise _missing("componentize-qjs", "JavaScript", install)
    return [found]


def c_compiler() -> list[str]:
    """The command that compiles C to WebAssembly.

    Raises:
        Refused: If it is not installed, with the command that installs it.
    """
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    found = shutil.which("zig")
    if found is None:
        raise _missing("zig", "C", _EXTRA)
    return [found, "cc"]


def rust_compiler() -> list[str]:
    """The command that compiles Rust to WebAssembly: one that has the library for it.

    Raises:
        Refused: If there is none, with the command that installs it.
    """
    for found in dict.fromkeys((shutil.which("rustc"), _DEBIAN_RUSTC)):
        if found is not None and Path(found).exists() and _knows_target(found):
            return [found]
    raise _missing("rustc with the target " + RUST_TARGET, "Rust", _RUST_INSTALL)


def _knows_target(rustc: str) -> bool:
    asked = [rustc, "--print", "target-libdir", "--target", RUST_TARGET]
    done = subprocess.run(  # noqa: S603 - a list, and no shell
        asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=30.0, check=False
    )
    return done.returncode == 0 and Path(done.stdout.decode().strip()).is_dir()


def run(
    command: Sequence[str],
    *,
    folder: Path,
    what: str,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = BUILD_TIMEOUT_S,
) -> str:
    """Run a compiler; gives what it printed.

    Args:
        command: Program and arguments.
        folder: To run in.
        what: It does, for the error: `compile app.c`.
        environment: On top of ours.
        timeout_s: After which it is ended.

    Raises:
        Refused: If it found mistakes, with what it said.
        Failed: If it did not end in time.
    """
    ours = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
    try:
        done = subprocess.run(  # noqa: S603 - a list, and no shell
            list(command),
            cwd=folder,
            env={**ours, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(
            f"Could not {what}: it took longer than {timeout_s:g} s. Try again."
        ) from error
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode != 0:
        told = "\n".join(said.splitlines()[-_MAX_TOLD_LINES:])
        raise Refused(f"Could not {what}:\n{told or f'exit code {done.returncode}'}")
    return said


def _missing(program: str, language: str, install: str) -> Refused:
    return Refused(f"Plugins in {language} are built by {program}, which is not here: {install}")
