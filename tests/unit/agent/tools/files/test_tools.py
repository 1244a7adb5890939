"""The tools for files, as a model calls them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.files.tools import MAX_FILE_BYTES, FileTools
from carapace.agent.tools.runner import MAX_OUTPUT_CHARS, ToolReport
from carapace.ids import AgentId
from support.agent_house import agent_house
from support.tool_calls import tool_context


class Desk:
    """An agent's workspace and its tools."""

    def __init__(self, root: Path, house: Any) -> None:
        self.root = root
        self._house = house

    async def use(self, name: str, **arguments: Any) -> ToolReport:
        call = ToolCall("c", name, msgspec.json.encode(arguments).decode())
        return await self._house.agent._turns._tools.run(call, tool_context(self._house))


@asynccontextmanager
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    def root_of(agent_id: AgentId) -> Path:
        return tmp_path / agent_id

    async with agent_house(tools=FileTools(root_of).tools()) as house:
        yield Desk(tmp_path / "main", house)


async def test_a_file_is_written_read_and_changed(tmp_path: Path):
    async with desk(tmp_path) as at:
        wrote = await at.use("write", path="notes/a.md", content="one\ntwo\n")
        assert wrote.text == "Wrote 8 bytes to notes/a.md."
        assert (await at.use("read", path=str(at.root / "notes/a.md"))).text == "one\ntwo"
        edited = await at.use("edit", path="notes/a.md", oldText="two", newText="drei")
        assert edited.text == "Changed notes/a.md."
        assert (await at.use("read", path="notes/a.md", offset=2, limit=1)).text.startswith("drei")
        assert (at.root / "notes/a.md").read_text() == "one\ndrei\n"


async def test_a_folder_is_shown(tmp_path: Path):
    async with desk(tmp_path) as at:
        await at.use("write", path="b/c", content="")
        (at.root / "odd\nname").touch()
        assert (await at.use("read", path=".")).text == ('The folder . holds:\nb/\n"odd\\nname"')
        (at.root / "b" / "c").unlink()
        assert (await at.use("read", path="b")).text == "The folder b is empty."
        for number in range(250):
            (at.root / "b" / f"{number:03}").touch()
        assert (await at.use("read", path="b")).text.endswith("199\n[50 more]")


async def test_a_long_file_is_read_on_from_where_it_was_left(tmp_path: Path):
    async with desk(tmp_path) as at:
        lines = [f"line {number}" for number in range(5_000)]
        await at.use("write", path="a", content="\n".join(lines))
        seen, offset = list[str](), 1
        while True:
            text = (await at.use("read", path="a", offset=offset)).text
            assert len(text) < MAX_OUTPUT_CHARS
            body, _, note = text.rpartition("\n\n[")
            seen += body.split("\n")
            if "go on" not in note:
                break
            offset = int(note.rpartition(" ")[2].rstrip("]"))
        assert seen == lines


async def test_windows_line_ends_stay(tmp_path: Path):
    async with desk(tmp_path) as at:
        at.root.mkdir()
        (at.root / "a").write_bytes(b"one\r\ntwo\r\n")
        await at.use("edit", path="a", oldText="one\ntwo", newText="1\n2")
        assert (at.root / "a").read_bytes() == b"1\r\n2\r\n"
        (at.root / "mixed").write_bytes(b"one\r\ntwo\n")
        await at.use("edit", path="mixed", oldText="one\r\n", newText="1\r\n")
        assert (at.root / "mixed").read_bytes() == b"1\r\ntwo\n"


async def test_a_patch_changes_files_together(tmp_path: Path):
    async with desk(tmp_path) as at:
        at.root.mkdir()
        (at.root / "a").write_text("one\ntwo\n")
        (at.root / "old").write_text("x\n")
        (at.root / "gone").touch()
        patch = "\n".join(
            (
                *("*** Begin Patch", "*** Add File: sub/new", "+hello"),
                *("*** Update File: a", "-two", "+2"),
                *("*** Update File: old", "*** Move to: moved", "-x", "+y"),
                *("*** Delete File: gone", "*** End Patch"),
            )
        )
        found = await at.use("apply_patch", input=patch)
        assert found.text == (
            "Success. Updated the following files:\nA sub/new\nM a\nM moved\nD gone"
        )
        files = {str(one.relative_to(at.root)) for one in at.root.rglob("*") if one.is_file()}
        assert files == {"a", "moved", "sub/new"}
        assert (at.root / "moved").read_text() == "y\n"


async def test_a_patch_that_does_not_fit_changes_nothing(tmp_path: Path):
    async with desk(tmp_path) as at:
        at.root.mkdir()
        (at.root / "a").write_text("one\n")
        for lines in (
            ("*** Update File: a", "-one", "+1", "*** Update File: b", "-x", "+y"),
            ("*** Update File: a", "-one", "+1", "*** Delete File: ./a"),
            ("*** Update File: a", "-one", "+1", "*** Add File: ../b", "+x"),
            ("*** Update File: a", "-one", "+1", "*** Update File: a2", "*** Move to: a"),
        ):
            patch = "\n".join(("*** Begin Patch", *lines, "*** End Patch"))
            assert (await at.use("apply_patch", input=patch)).is_error
        assert [one.name for one in at.root.iterdir()] == ["a"]
        assert (at.root / "a").read_text() == "one\n"


async def test_what_is_elsewhere_or_no_text_is_refused(tmp_path: Path):
    async with desk(tmp_path) as at:
        at.root.mkdir()
        (at.root / "pic").write_bytes(b"\x89PNG\0")
        assert "tool image" in (await at.use("read", path="pic")).text
        for name, more in (("read", {}), ("write", {"content": ""})):
            assert (await at.use(name, path="../x", **more)).is_error
            assert (await at.use(name, path="/etc/passwd", **more)).is_error
        assert (await at.use("edit", path=".", oldText="a", newText="b")).is_error
        assert (await at.use("write", path="a", content="x" * (MAX_FILE_BYTES + 1))).is_error
