"""The environment of a command: a fixed list, made here and nowhere else (advisory L05).

Nothing is inherited but the language and the time zone. Names that change what programs do, such
as `LD_PRELOAD`, `BASH_ENV` or `GIT_*`, need not be known: they are not on the list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["PRIVATE", "child_environment", "private_environment"]

PRIVATE: Final = "<private>"
"""Stands for the folder that each run of a command has to itself."""

_FOLDERS: Final = ("/usr/local/bin", "/usr/bin", "/bin")
_INHERITED: Final = ("LANG", "LC_ALL", "TZ")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.@+/-]{1,64}")  # no path, no terminal's control characters


def child_environment(parent: Mapping[str, str], prepend: Sequence[str] = ()) -> dict[str, str]:
    """All variables of a command.

    Args:
        parent: Our own environment.
        prepend: Folders in front of the usual ones, from the settings.
    """
    kept = {name: parent[name] for name in _INHERITED if _PLAIN.fullmatch(parent.get(name, ""))}
    return {
        **kept,
        "PATH": ":".join((*prepend, *_FOLDERS)),
        "HOME": PRIVATE,
        "TMPDIR": PRIVATE,
        "TERM": "dumb",
    }


def private_environment(env: Mapping[str, str], folder: str) -> dict[str, str]:
    """The same with the name of the private folder."""
    return {name: folder if value == PRIVATE else value for name, value in env.items()}
