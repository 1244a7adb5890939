"""How this gateway was installed, and therefore how it is updated: told from files alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import carapace
from carapace.value import Value

__all__ = ["Installation", "Kind", "Surroundings", "find_installation"]

Kind = Literal["container", "git", "pipx", "uv", "pip", "system"]
_DISTRIBUTION = "carapace-gateway"
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


class Surroundings(Value, frozen=True, kw_only=True):
    """Where the program runs.

    Attributes:
        package: Folder of the package `carapace`.
        prefix: `sys.prefix`.
        base_prefix: `sys.base_prefix`; another one inside a virtual environment.
        environment: Of the process.
        exists: Whether there is such a file or folder.
    """

    package: Path
    prefix: str
    base_prefix: str
    environment: Mapping[str, str]
    exists: Callable[[Path], bool] = Path.exists

    @classmethod
    def here(cls, environment: Mapping[str, str]) -> Surroundings:
        """Those of this process."""
        return cls(
            package=Path(carapace.__file__).resolve().parent,
            prefix=sys.prefix,
            base_prefix=sys.base_prefix,
            environment=environment,
        )


class Installation(Value, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        root: The checkout, or the environment it is installed in.
        how: What a person has to do to update it, as the end of a sentence.
    """

    kind: Kind
    root: str
    how: str


def find_installation(where: Surroundings) -> Installation:
    """Tell how the gateway was installed."""
    if _is_container(where):
        return Installation(
            kind="container",
            root=where.prefix,
            how="pull or build the newer image, and start the container anew from it",
        )
    checkout = _checkout(where)
    if checkout is not None:
        return Installation(
            kind="git",
            root=str(checkout),
            how=f"in {checkout} run `git pull`, then `python3 bootstrap.py install run`, and start "
            "the gateway again",
        )
    return _packaged(where)


def _packaged(where: Surroundings) -> Installation:
    parts = Path(where.prefix).parts
    kind: Kind = "system"
    how = "update the package with what installed it, and start the gateway again"
    if "pipx" in parts:
        kind, how = "pipx", f"run `pipx upgrade {_DISTRIBUTION}`, and start the gateway again"
    elif "uv" in parts and "tools" in parts:
        kind, how = "uv", f"run `uv tool upgrade {_DISTRIBUTION}`, and start the gateway again"
    elif where.prefix != where.base_prefix:
        python = Path(where.prefix) / "bin" / "python"
        pip = f"{python} -m pip install --upgrade {_DISTRIBUTION}"
        kind, how = "pip", f"run `{pip}`, and start the gateway again"
    return Installation(kind=kind, root=where.prefix, how=how)


def _is_container(where: Surroundings) -> bool:
    names = ("container", "KUBERNETES_SERVICE_HOST")
    is_named = any(where.environment.get(name) for name in names)
    return is_named or any(where.exists(Path(mark)) for mark in _CONTAINER_MARKS)


def _checkout(where: Surroundings) -> Path | None:
    """The checkout whose `src` the package is in, if it is one."""
    root = where.package.parent.parent
    is_one = where.package.parent.name == "src" and where.exists(root / ".git")
    return root if is_one else None
