#!/usr/bin/env python3
"""Set up a checkout with nothing but Python 3.11+ and run it.

    python3 bootstrap.py up [options of `cara up`]     install what running needs, then start
    python3 bootstrap.py check                         install what testing needs, run all checks
    python3 bootstrap.py install run|dev               only install

The environment is `.venv` beside this file. Packages come from the hashed lock files under
`requirements/`; a second run finds them there and needs no network. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
LOCKS = {"run": "run.lock", "dev": "dev.lock"}
MIN_PYTHON = (3, 11)


def say(text: str) -> None:
    """Progress goes to stderr: stdout belongs to the command that follows."""
    print(f"[bootstrap] {text}", file=sys.stderr, flush=True)  # noqa: T201 - a command prints


def python() -> str:
    """The environment's interpreter."""
    return str(BIN / ("python.exe" if os.name == "nt" else "python"))


def fingerprint(kind: str) -> str:
    """What an installed environment must have been made from."""
    parts = [sys.version, str(ROOT)]
    parts += [(ROOT / "requirements" / LOCKS[kind]).read_text("utf-8")]
    parts += [(ROOT / "pyproject.toml").read_text("utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def pip(*args: str) -> None:
    """Run pip in the environment; its output is the progress people see."""
    command = [python(), "-m", "pip", "--disable-pip-version-check", *args]
    done = subprocess.run(command, check=False, stdout=sys.stderr)  # noqa: S603 - our own arguments
    if done.returncode:
        say(f"pip failed ({done.returncode}); run the same command again to resume")
        raise SystemExit(done.returncode)


def compile_source() -> None:
    """Keep the checkout's bytecode, as pip keeps that of what it installs.

    Where Python is told to write none itself, each start would compile everything again, which
    is a third of it and more. What is current is left alone; without bytecode it works as well.
    """
    command = [python(), "-m", "compileall", "-qq", str(ROOT / "src")]
    subprocess.run(command, check=False, stdout=sys.stderr)  # noqa: S603 - our own arguments


def install(kind: str) -> None:
    """Make the environment fit lock `kind`, and the bytecode the source."""
    install_packages(kind)
    compile_source()


def install_packages(kind: str) -> None:
    """Install what lock `kind` names; does nothing if it is there already.

    What `dev` installs contains what `run` needs, so a dev environment serves both.
    """
    stamps = {name: VENV / f"carapace-{name}.stamp" for name in LOCKS}
    for name in (kind, "dev"):
        if stamps[name].is_file() and stamps[name].read_text("utf-8") == fingerprint(name):
            return
    if not Path(python()).exists():
        say(f"creating {VENV.name}")
        venv.create(VENV, with_pip=True)
    say(f"installing the packages of requirements/{LOCKS[kind]} (hash-checked)")
    lock = str(ROOT / "requirements" / LOCKS[kind])
    pip("install", "--quiet", "--progress-bar=on", "--require-hashes", "--no-deps", "-r", lock)
    pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT))
    stamps[kind].write_text(fingerprint(kind), "utf-8")


def run(program: str, *args: str) -> int:
    """Hand over to an installed program; signals reach it because it replaces this process."""
    path = str(BIN / (program + (".exe" if os.name == "nt" else "")))
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    if os.name == "nt":
        return subprocess.run([path, *args], check=False, env=env).returncode  # noqa: S603 - as above
    os.execve(path, [program, *args], env)  # noqa: S606 - replaces this process on purpose
    raise AssertionError  # execve does not return


def main(argv: list[str]) -> int:
    """Do what the first argument says."""
    if sys.version_info < MIN_PYTHON:
        say(f"Carapace needs Python 3.11 or newer, this is {sys.version.split()[0]}.")
        return 2
    match argv:
        case ["up", *rest]:
            install("run")
            return run("cara", "up", *rest)
        case ["check"]:
            install("dev")
            return run("just", "check")
        case ["install", kind] if kind in LOCKS:
            install(kind)
            return 0
        case _:
            say((__doc__ or "").strip())
            return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
