"""`cara plugin run`: build and test anew whenever a source changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from carapace.errors import Refused
from carapace.plugins.sdk.cases import CASES
from carapace.plugins.sdk.project import Project, open_project

__all__ = ["file_hints", "versions"]


async def versions(folder: Path, hints: AsyncIterator[object]) -> AsyncIterator[Project | Refused]:
    """The project as it is now, and again after each hint that finds it changed.

    Args:
        folder: Of the project.
        hints: That something may have changed; ends the watch with itself.

    Yields:
        The project, or why it cannot be read.
    """
    last = _state(folder)
    yield last[1]
    async for _ in hints:
        now = _state(folder)
        if now[0] != last[0]:
            last = now
            yield now[1]


async def file_hints(folder: Path) -> AsyncIterator[object]:
    """Hints from the operating system, until the process is interrupted."""
    import watchfiles  # noqa: PLC0415 - costs a start 20 ms, and only `run` watches

    watched = watchfiles.awatch(  # pyright: ignore[reportUnknownMemberType] - its stop_event names a library without types
        folder, watch_filter=lambda _change, path: "build" not in Path(path).parts
    )
    async for hint in watched:
        yield hint


def _state(folder: Path) -> tuple[str, Project | Refused]:
    """Something that differs when there is work to do, and the project."""
    cases = folder / CASES
    try:
        expected = cases.read_text("utf-8") if cases.is_file() else ""
        project = open_project(folder)
        return project.digest() + expected, project
    except Refused as error:
        return error.message, error
