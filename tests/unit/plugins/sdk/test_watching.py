"""A watch tells of every change that matters, and of no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from carapace.errors import Refused
from carapace.plugins.sdk.new import create
from carapace.plugins.sdk.project import Project
from carapace.plugins.sdk.watching import file_hints, versions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return create(tmp_path / "hello", language="js")


async def test_only_changes_are_told(folder: Path):
    source, manifest = folder / "app.js", folder / "plugin.toml"
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: source.write_text("// other"),
        lambda: (folder / "notes.txt").write_text("of the author"),
        (folder / "cases.toml").unlink,
        lambda: manifest.write_text("broken"),
    ]

    async def hints() -> AsyncIterator[object]:
        for step in steps:
            step()
            yield step

    found = [each async for each in versions(folder, hints())]
    assert [type(each) for each in found] == [Project, Project, Project, Refused]


@pytest.mark.slow
async def test_the_system_tells_of_a_written_file(folder: Path):
    hints = file_hints(folder)
    waiting = asyncio.ensure_future(anext(hints))
    async with asyncio.timeout(20):
        while not waiting.done():
            (folder / "app.js").write_text("// again")
            await asyncio.wait([waiting], timeout=0.2)
    assert any(path.endswith("app.js") for _, path in await waiting)  # pyright: ignore[reportGeneralTypeIssues] - the library's own pairs
    await hints.aclose()  # pyright: ignore[reportAttributeAccessIssue] - it is a generator
