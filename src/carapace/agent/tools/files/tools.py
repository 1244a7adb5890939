"""`read`, `write`, `edit` and `apply_patch`, as models call them.

One change at a time for the whole gateway: what was read stays true until it is written, and a
stamp tells when somebody else changed a file in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.tools.files.editing import replace_once
from carapace.agent.tools.files.patch import Add, Delete, Operation, Update, parse, patched
from carapace.agent.tools.files.paths import Parts, parts_of, shown
from carapace.agent.tools.files.root import (
    ABSENT,
    Change,
    FolderThere,
    Found,
    change,
    list_folder,
    read_file,
)
from carapace.agent.tools.files.text import excerpt, text_of
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble
from carapace.ids import AgentId

__all__ = ["MAX_FILE_BYTES", "ApplyPatch", "Edit", "FileTools", "Read", "Write"]

MAX_FILE_BYTES: Final = 2 * 1024 * 1024
_MAX_PATCH_CHARS: Final = 512 * 1024
_SHOWN_CHARS: Final = 18_000  # below what the runner cuts, so that the last line says how to go on
_LINES: Final = 2_000
_NAMES: Final = 200

_Path = Annotated[
    str, Meta(min_length=1, max_length=1_024, description="In the workspace: notes/today.md")
]
_Text = Annotated[str, Meta(max_length=MAX_FILE_BYTES)]


class Read(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `read`."""

    path: _Path
    offset: Annotated[int, Meta(ge=1, description="First line; 1 is the first of all.")] = 1
    limit: Annotated[int, Meta(ge=1, description="How many lines at most.")] = _LINES


class Write(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `write`."""

    path: _Path
    content: Annotated[_Text, Meta(description="All of the new file.")]


class Edit(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Arguments of `edit`."""

    path: _Path
    old_text: Annotated[
        _Text, Meta(description="The passage, letter by letter; it must be there exactly once.")
    ]
    new_text: Annotated[_Text, Meta(description="What stands in its place.")]


class ApplyPatch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `apply_patch`."""

    input: Annotated[
        str,
        Meta(
            max_length=_MAX_PATCH_CHARS,
            description="From *** Begin Patch to *** End Patch.",
        ),
    ]


class FileTools:
    """The four tools.

    Args:
        root_of: Where an agent's workspace is.
    """

    def __init__(self, root_of: Callable[[AgentId], Path]) -> None:
        self._root_of = root_of
        self._changing = asyncio.Lock()

    def tools(self) -> Tools:
        """Rows for the registry."""
        rows = Tools()
        rows.tool("read", risk=Risk.READ)(self.read)
        rows.tool("write", risk=Risk.WRITE)(self.write)
        rows.tool("edit", risk=Risk.WRITE)(self.edit)
        rows.tool("apply_patch", risk=Risk.WRITE)(self.apply_patch)
        return rows

    async def read(self, ctx: ToolContext, params: Read) -> str:
        """Read a text file of your workspace, or see what is in a folder of it (path ".")."""
        root, parts = self._place(ctx, params.path)
        try:
            found = await _read(root, parts)
        except FolderThere:
            return await _listed(root, parts)
        text = text_of(found.data, shown(parts)).text
        return excerpt(text, offset=params.offset, limit=params.limit, max_chars=_SHOWN_CHARS)

    async def write(self, ctx: ToolContext, params: Write) -> str:
        """Make a file in your workspace, or replace one; folders on the way are made."""
        root, parts = self._place(ctx, params.path)
        data = params.content.encode()
        async with self._changing:
            await _change(root, [Change(parts, data)])
        return f"Wrote {len(data)} bytes to {shown(parts)}."

    async def edit(self, ctx: ToolContext, params: Edit) -> str:
        """Replace one passage in a text file of your workspace."""
        root, parts = self._place(ctx, params.path)
        name = shown(parts)
        async with self._changing:
            found = await _read(root, parts)
            file = text_of(found.data, name)
            old, new = (one.replace("\r\n", "\n") for one in (params.old_text, params.new_text))
            if not file.has_crlf:
                old, new = params.old_text, params.new_text
            text = replace_once(file.text, old, new, name)
            await _change(root, [Change(parts, file.encoded(text), found.stamp)])
        return f"Changed {name}."

    async def apply_patch(self, ctx: ToolContext, params: ApplyPatch) -> str:
        """Change several text files of your workspace at once with a patch, all or none of them."""
        operations = parse(params.input)
        async with self._changing:
            root = self._root_of(ctx.agent_id)
            changes: list[Change] = []
            for operation in operations:
                changes += await self._changes(ctx, operation)
            _need_different(changes)
            await _change(root, changes)
        lines = [_done(one) for one in operations]
        return "\n".join(("Success. Updated the following files:", *lines))

    async def _changes(self, ctx: ToolContext, operation: Operation) -> list[Change]:
        """What an operation does to files."""
        root, parts = self._place(ctx, operation.path)
        match operation:
            case Add(text=text):
                return [Change(parts, text.encode(), ABSENT)]
            case Delete():
                return [Change(parts, None)]
            case Update(hunks=hunks, new_path=new_path):
                found = await _read(root, parts)
                file = text_of(found.data, shown(parts))
                data = file.encoded(patched(file.text, hunks, shown(parts)))
                if new_path is None:
                    return [Change(parts, data, found.stamp)]
                _, new_parts = self._place(ctx, new_path)
                return [Change(new_parts, data, ABSENT), Change(parts, None, found.stamp)]

    def _place(self, ctx: ToolContext, path: str) -> tuple[Path, Parts]:
        root = self._root_of(ctx.agent_id)
        return root, parts_of(path, PurePosixPath(root.absolute()))


async def _read(root: Path, parts: Parts) -> Found:
    return await asyncio.to_thread(read_file, root, parts, max_bytes=MAX_FILE_BYTES)


async def _listed(root: Path, parts: Parts) -> str:
    names, n_names = await asyncio.to_thread(list_folder, root, parts, limit=_NAMES)
    if not names:
        return f"The folder {shown(parts)} is empty."
    more = f"\n[{n_names - len(names)} more]" if n_names > len(names) else ""
    return f"The folder {shown(parts)} holds:\n" + "\n".join(map(_quoted, names)) + more


def _quoted(name: str) -> str:
    """A name on a line of its own, whatever is in it."""
    return name if name.isprintable() else msgspec.json.encode(name).decode()


async def _change(root: Path, changes: Sequence[Change]) -> None:
    # A turn that is stopped meanwhile does not stop the thread: what it began is done wholly.
    await asyncio.to_thread(change, root, changes)


def _need_different(changes: Sequence[Change]) -> None:
    names = [one.parts for one in changes]
    if len(set(names)) != len(names):
        raise ToolTrouble("The patch names a file twice. Put all changes of a file together.")


def _done(operation: Operation) -> str:
    match operation:
        case Add(path=path):
            return f"A {path}"
        case Delete(path=path):
            return f"D {path}"
        case Update(path=path, new_path=new_path):
            return f"M {new_path or path}"
