"""Advisory rows of group F about links, archives and notes: a name alone reaches nothing."""

from __future__ import annotations

import ast
import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.files.tools import FileTools
from carapace.agent.tools.runner import ToolReport
from carapace.plugins.package.archive import unpack
from carapace.plugins.state import PluginRefused, Refusal
from support.agent_house import AgentHouse, agent_house
from support.tool_calls import tool_context

SOURCE = Path(__file__).resolve().parents[2] / "src" / "carapace"


async def use(house: AgentHouse, tool: str, /, **arguments: Any) -> ToolReport:
    call = ToolCall("c", tool, msgspec.json.encode(arguments).decode())
    return await house.agent._turns._tools.run(call, tool_context(house))


def _hard(at: Path, secret: Path) -> None:
    at.hardlink_to(secret)


def _soft(at: Path, secret: Path) -> None:
    at.symlink_to(secret)


def _dangling(at: Path, secret: Path) -> None:
    at.symlink_to(secret.with_name("planted"))


def _chain(at: Path, secret: Path) -> None:
    middle = at.with_name("middle")
    middle.symlink_to(secret)
    at.symlink_to(middle)


def _through_proc(at: Path, secret: Path) -> None:
    at.symlink_to(f"/proc/self/root{secret}")


def _pipe(at: Path, secret: Path) -> None:
    del secret
    os.mkfifo(at)


LINKS: Final = (_hard, _soft, _dangling, _chain, _through_proc, _pipe)


@pytest.mark.parametrize("make", LINKS, ids=lambda make: make.__name__.strip("_"))
async def test_adv_f13_no_kind_of_link_leads_out_of_the_workspace(
    tmp_path: Path, make: Callable[[Path, Path], None]
):
    """What is behind it is not read, and not changed: not even a second name of a file."""
    root, secret = tmp_path / "workspace", tmp_path / "secret"
    root.mkdir()
    secret.write_text("outside")
    make(root / "file", secret)
    patch = "*** Begin Patch\n*** Update File: file\n-outside\n+bad\n*** End Patch"
    async with agent_house(tools=FileTools(lambda _agent: root).tools()) as house:
        report = await use(house, "read", path="file")
        assert report.is_error
        assert "outside" not in report.text
        assert (await use(house, "edit", path="file", oldText="outside", newText="bad")).is_error
        assert (await use(house, "apply_patch", input=patch)).is_error
        await use(house, "write", path="file", content="bad")
    assert secret.read_text() == "outside"
    assert {one.name for one in tmp_path.iterdir()} == {"secret", "workspace"}


@pytest.mark.parametrize("make", [_soft, _chain, _through_proc])
async def test_adv_f13_no_folder_on_the_way_is_a_link(
    tmp_path: Path, make: Callable[[Path, Path], None]
):
    root, outside = tmp_path / "workspace", tmp_path / "elsewhere"
    root.mkdir()
    outside.mkdir()
    (outside / "note").write_text("outside")
    make(root / "folder", outside)
    async with agent_house(tools=FileTools(lambda _agent: root).tools()) as house:
        for path in ("folder/note", "folder/../folder/note", "./folder/note"):
            report = await use(house, "read", path=path)
            assert report.is_error
            assert "outside" not in report.text
            assert (await use(house, "write", path=path, content="bad")).is_error
    assert (outside / "note").read_text() == "outside"


PACKAGE: Final = {"plugin.toml": b"x", "plugin.wasm": b"y"}


def _zip(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in (*entries,):
            archive.writestr(name, data)
    return buffer.getvalue()


def _of_kind(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


def _tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # pyright: ignore[reportArgumentType, reportCallIssue] - a mode from the list below
        for name, data in PACKAGE.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _escaping(name: str) -> bytes:
    return _zip(*PACKAGE.items(), (name, b"bad"))


ARCHIVES: Final[dict[str, Callable[[], bytes]]] = {
    "absolute": lambda: _escaping("/pwned"),
    "parent": lambda: _escaping("../pwned"),
    "parent of windows": lambda: _escaping("..\\pwned"),
    "drive": lambda: _escaping("C:\\pwned"),
    "hidden parent": lambda: _escaping("a/../../pwned"),
    "other case": lambda: _escaping("PLUGIN.TOML"),
    "folder": lambda: _escaping("plugin/"),
    "symbolic link": lambda: _zip(
        ("plugin.toml", b"x"), (_of_kind("plugin.wasm", stat.S_IFLNK), b"/etc/passwd")
    ),
    "device": lambda: _zip(("plugin.toml", b"x"), (_of_kind("plugin.wasm", stat.S_IFCHR), b"")),
    "pipe": lambda: _zip(("plugin.toml", b"x"), (_of_kind("plugin.wasm", stat.S_IFIFO), b"")),
    "thousandfold": lambda: _zip(
        ("plugin.toml", bytes(1_000_000)), ("plugin.wasm", b"y"), method=zipfile.ZIP_DEFLATED
    ),
    "ten thousand entries": lambda: _zip(*((f"{n}", b"") for n in range(10_000))),
    "bzip2 inside": lambda: _zip(*PACKAGE.items(), method=zipfile.ZIP_BZIP2),
    "lzma inside": lambda: _zip(*PACKAGE.items(), method=zipfile.ZIP_LZMA),
    "zip in front of a zip": lambda: _zip(*PACKAGE.items()) * 2,
    "tar": lambda: _tar("w"),
    "tar.gz": lambda: _tar("w:gz"),
    "tar.bz2": lambda: _tar("w:bz2"),
    "tar.xz": lambda: _tar("w:xz"),
    "gz": lambda: gzip.compress(_zip(*PACKAGE.items())),
    "bz2": lambda: bz2.compress(_zip(*PACKAGE.items())),
    "xz": lambda: lzma.compress(_zip(*PACKAGE.items())),
    "nothing": lambda: b"",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ARCHIVES)
def test_adv_f18_an_archive_that_is_not_plainly_a_package_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Links, devices, other names, bombs and every other format; nothing is written meanwhile."""
    data = ARCHIVES[kind]()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginRefused) as refused:
        unpack(data)
    assert refused.value.refusal is Refusal.ARCHIVE
    assert list(tmp_path.iterdir()) == []


def test_adv_f18_the_same_files_in_a_plain_archive_are_taken():
    contents = unpack(_zip(*PACKAGE.items()))
    assert (contents.manifest, contents.wasm) == (b"x", b"y")


_OPENS: Final = re.compile("zipfile|tarfile|py7zr|rarfile|extractall|unpack_archive")


def test_adv_f18_nothing_else_opens_archives_and_nothing_unpacks_by_name():
    """One module reads packages, one our own wheel; none calls what writes files by their names."""
    readers: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if _OPENS.search(text) else ():
            names = {one.name for one in node.names} if isinstance(node, ast.Import) else set()
            if names & {"zipfile", "tarfile", "py7zr", "rarfile"}:
                readers.add(path.relative_to(SOURCE).as_posix())
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"extractall", "unpack_archive"}, path
    assert readers == {"agent/weights/sources.py", "plugins/package/archive.py"}


NOTES: Final = (
    *("../secret.md", "secret.md", "/etc/passwd", "MEMORY.md", "memory/2026-01-01.md"),
    *("SOUL.md", "..\\secret.md", "file:///etc/passwd", "%2e%2e/secret.md", "./memory/../SOUL.md"),
)


@pytest.mark.parametrize("name", NOTES)
async def test_adv_f22_a_memory_is_known_by_its_name_and_no_file_is_one(name: str):
    """Notes are rows of the agent; a tool that reads files by path under that name is not there."""
    async with agent_house(tools=builtin_tools()) as house:
        root = house.profiles.get(house.profiles.default_id).workspace.root
        root.mkdir(parents=True, exist_ok=True)
        for one in ("secret.md", "SOUL.md", "MEMORY.md"):
            (root / one).write_text("canary")
        (root.parent / "secret.md").write_text("canary")
        for tool, field in (("memory_read", "name"), ("memory_search", "query")):
            report = await use(house, tool, **{field: name})
            assert "canary" not in report.text
            assert "root:" not in report.text
        assert (await use(house, "memory_get", path=name)).outcome == "unknown"
