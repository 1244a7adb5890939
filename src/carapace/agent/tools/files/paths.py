"""Paths as models write them, in their parts below a root. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from carapace.agent.tools.registry import ToolTrouble

__all__ = ["Parts", "parts_of", "shown"]

Parts = tuple[str, ...]
"""Names from the root down; none of them is empty, `.` or `..`. The root itself is ()."""

_MAX_CHARS: Final = 1_024
_MAX_PARTS: Final = 32
_MAX_NAME_BYTES: Final = 255


def parts_of(path: str, root: PurePosixPath) -> Parts:
    """The parts of `path` below `root`.

    An absolute path is fine if it names something below the root by its letters. `..` never is:
    what it means depends on links, and none of those are followed.

    Raises:
        ToolTrouble: If it is no path, or names something elsewhere.
    """
    if not path.strip() or len(path) > _MAX_CHARS:
        raise ToolTrouble(f"A path has 1 to {_MAX_CHARS} characters; {len(path)} were given.")
    if not path.isprintable():
        raise ToolTrouble("The path holds characters that cannot be seen; write it without them.")
    if path.startswith("~"):
        raise _outside(path)
    names = path.split("/")
    if path.startswith("/"):
        above = root.parts[1:]
        names = [name for name in names if name not in ("", ".")]
        if tuple(names[: len(above)]) != above:
            raise _outside(path)
        names = names[len(above) :]
    parts = tuple(name for name in names if name not in ("", "."))
    if ".." in parts:
        raise _outside(path)
    if len(parts) > _MAX_PARTS or any(len(name.encode()) > _MAX_NAME_BYTES for name in parts):
        raise ToolTrouble("The path has too many parts, or one that is too long for a file's name.")
    return parts


def shown(parts: Parts) -> str:
    """The path as answers name it."""
    return "/".join(parts) or "."


def _outside(path: str) -> ToolTrouble:
    return ToolTrouble(
        f"{path} is not in the workspace. Use a path below it, such as notes/today.md, without .. "
        "in it."
    )
