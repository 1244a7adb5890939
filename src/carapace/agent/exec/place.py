"""Where a command runs: a folder inside the workspace, held open (advisories L04, Q51).

The way there is walked folder by folder and never through a link, so that what was looked at is
what is entered.
"""

from __future__ import annotations

import os
from pathlib import Path

from carapace.agent.tools.registry import ToolTrouble

__all__ = ["check_root", "open_folder"]


def check_root(root: Path, state_dir: Path, home: Path | None) -> None:
    """See that commands may write everywhere in `root`.

    Args:
        root: The workspace, without links.
        state_dir: Ours, without links: nothing above it may be written (row Q55).
        home: Of the user, without links, likewise.

    Raises:
        ToolTrouble: If something that matters lies in it.
    """
    for kept in (state_dir, home):
        if kept is not None and kept.is_relative_to(root):
            raise ToolTrouble(
                f"No command may run: the workspace {root} holds {kept}, which no command may "
                "change. Ask the operator to choose a workspace of its own."
            )


def open_folder(root: Path, workdir: str | None) -> tuple[int, Path]:
    """A folder's descriptor and its path without links.

    Args:
        root: The workspace, without links.
        workdir: Relative to it, or absolute and inside it; None is the workspace itself.

    Raises:
        ToolTrouble: If there is no such folder inside the workspace.
    """
    given = workdir or ""
    wanted = Path(os.path.normpath(root / given))
    if "\0" in given or not wanted.is_relative_to(root):
        raise ToolTrouble(f"workdir must be inside the workspace {root}")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    place = wanted
    try:
        found = os.open(root, flags)
        for place in wanted.relative_to(root).parts:
            try:
                deeper = os.open(place, flags | os.O_NOFOLLOW, dir_fd=found)
            finally:
                os.close(found)
            found = deeper
    except OSError as error:
        raise ToolTrouble(
            f"workdir {wanted} cannot be used: {error.strerror} ({place}). It has to be a folder "
            "of the workspace, and links are not followed."
        ) from None
    return found, wanted
