"""Patches in the form `*** Begin Patch`: read, and applied to texts. Pure.

*** Begin Patch
*** Add File: notes/new.md
+first line
*** Update File: src/a.py
*** Move to: src/b.py
@@ def greet():
 a line that stays
-a line that goes
+a line that comes
*** Delete File: old.txt
*** End Patch
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from carapace.agent.tools.registry import ToolTrouble
from carapace.value import Value

__all__ = ["MAX_FILES", "Add", "Delete", "Hunk", "Operation", "Update", "parse", "patched"]

MAX_FILES: Final = 50
_BEGIN: Final = "*** Begin Patch"
_END: Final = "*** End Patch"
_ADD: Final = "*** Add File: "
_UPDATE: Final = "*** Update File: "
_DELETE: Final = "*** Delete File: "
_MOVE: Final = "*** Move to: "
_LAST: Final = "*** End of File"
_PLACE: Final = "@@"


class Hunk(Value, frozen=True):
    """Lines that go and lines that come, in one place.

    Attributes:
        places: Lines that stand somewhere before it, one after another.
        old: What must be there.
        new: What is there afterwards.
        is_last: It must be at the end of the file.
    """

    places: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    is_last: bool = False


class Add(Value, frozen=True):
    """Make a file."""

    path: str
    text: str


class Delete(Value, frozen=True):
    """Remove a file."""

    path: str


class Update(Value, frozen=True):
    """Change a file, and perhaps its name."""

    path: str
    hunks: tuple[Hunk, ...]
    new_path: str | None = None


Operation = Add | Delete | Update


def parse(patch: str) -> list[Operation]:
    """What the patch asks for, at most `MAX_FILES` files.

    Raises:
        ToolTrouble: If it is no patch; names the line.
    """
    lines = patch.strip("\n").replace("\r\n", "\n").split("\n")
    if lines[0].strip() != _BEGIN or lines[-1].strip() != _END or len(lines) < 2:  # noqa: PLR2004
        raise ToolTrouble(f"A patch begins with the line {_BEGIN} and ends with {_END}.")
    reader = _Reader(lines, 1, len(lines) - 1)
    found: list[Operation] = []
    while not reader.is_done:
        found.append(_operation(reader))
    if not 0 < len(found) <= MAX_FILES:
        raise ToolTrouble(f"A patch changes 1 to {MAX_FILES} files; this one {len(found)}.")
    return found


def patched(text: str, hunks: Sequence[Hunk], name: str) -> str:
    """`text` after all the hunks, each looked for behind the one before.

    Raises:
        ToolTrouble: If one does not fit; shows the line that was looked for.
    """
    lines = text.split("\n")
    has_end = lines[-1] == ""
    if has_end:
        lines.pop()
    at, result = 0, list[str]()
    for hunk in hunks:
        start = _start(lines, at, hunk, name)
        result += lines[at:start]
        result += hunk.new
        at = start + len(hunk.old)
    result += lines[at:]
    return "\n".join(result) + ("\n" if result and (has_end or not text) else "")


def _start(lines: list[str], at: int, hunk: Hunk, name: str) -> int:
    """Where the hunk's old lines begin."""
    for place in hunk.places:
        found = _find(lines, (place,), at)
        if found is None:
            raise ToolTrouble(f"{name}: the line {place!r} of @@ is not there.")
        at = found + 1
    if not hunk.old:
        return at if hunk.places and not hunk.is_last else len(lines)
    if hunk.is_last:
        at = max(at, len(lines) - len(hunk.old))
    found = _find(lines, hunk.old, at)
    if found is None or (hunk.is_last and found + len(hunk.old) != len(lines)):
        raise ToolTrouble(
            f"{name}: these lines are not there as the patch has them: "
            f"{chr(10).join(hunk.old)[:500]!r}. Read the file and make the patch anew."
        )
    return found


def _find(lines: list[str], wanted: Sequence[str], at: int) -> int | None:
    """The first place from `at` on; spaces at the ends of lines count only if that helps."""
    ends = [one.rstrip() for one in wanted]
    for is_exact in (True, False):
        for start in range(at, len(lines) - len(wanted) + 1):
            there = lines[start : start + len(wanted)]
            if there == list(wanted) or (not is_exact and [one.rstrip() for one in there] == ends):
                return start
    return None


@dataclass(slots=True)
class _Reader:
    """Lines of the patch, and how far it was read."""

    lines: list[str]
    at: int
    end: int

    @property
    def is_done(self) -> bool:
        return self.at >= self.end

    def peek(self) -> str:
        return "" if self.is_done else self.lines[self.at]

    def take(self) -> str:
        line = self.peek()
        self.at += 1
        return line

    def trouble(self, why: str) -> ToolTrouble:
        line = self.lines[min(self.at, self.end)][:200]
        return ToolTrouble(f"Line {self.at + 1} of the patch {why}: {line!r}.")


def _operation(reader: _Reader) -> Operation:
    line = reader.peek()
    if line.startswith(_ADD):
        reader.take()
        return Add(_path(reader, line, _ADD), _added(reader))
    if line.startswith(_DELETE):
        reader.take()
        return Delete(_path(reader, line, _DELETE))
    if line.startswith(_UPDATE):
        reader.take()
        return _update(reader, _path(reader, line, _UPDATE))
    raise reader.trouble("is neither Add File, Update File nor Delete File")


def _path(reader: _Reader, line: str, word: str) -> str:
    path = line.removeprefix(word).strip()
    if not path:
        raise reader.trouble("follows one that names no file")
    return path


def _added(reader: _Reader) -> str:
    lines: list[str] = []
    while not reader.is_done and not reader.peek().startswith("*** "):
        if not reader.peek().startswith("+"):
            raise reader.trouble("does not begin with + although its file is new")
        lines.append(reader.take()[1:])
    return "".join(f"{line}\n" for line in lines)


def _update(reader: _Reader, path: str) -> Update:
    new_path = None
    if reader.peek().startswith(_MOVE):
        new_path = _path(reader, reader.take(), _MOVE)
    hunks: list[Hunk] = []
    while not reader.is_done and (
        not reader.peek().startswith("*** ") or reader.peek().rstrip() == _LAST
    ):
        hunks.append(_hunk(reader, is_first=not hunks))
    if not hunks and new_path is None:
        raise reader.trouble(f"ends {path}, of which nothing is changed")
    return Update(path, tuple(hunks), new_path)


@dataclass(slots=True)
class _Draft:
    """A hunk that is being read."""

    places: list[str] = field(default_factory=list[str])
    old: list[str] = field(default_factory=list[str])
    new: list[str] = field(default_factory=list[str])


def _hunk(reader: _Reader, *, is_first: bool) -> Hunk:
    draft = _Draft()
    if not reader.peek().startswith(_PLACE) and not is_first:
        raise reader.trouble("should begin with @@")
    while reader.peek().startswith(_PLACE):
        place = reader.take().removeprefix(_PLACE).strip("\n").removeprefix(" ")
        if place.strip():
            draft.places.append(place)
    while not reader.is_done and not reader.peek().startswith((_PLACE, "*** ")):
        _line(reader, draft)
    is_last = reader.peek().rstrip() == _LAST
    if is_last:
        reader.take()
    if draft.old == draft.new:
        raise reader.trouble("ends a part that changes nothing")
    return Hunk(tuple(draft.places), tuple(draft.old), tuple(draft.new), is_last)


def _line(reader: _Reader, draft: _Draft) -> None:
    line = reader.peek()
    kind, rest = line[:1], line[1:]
    if kind not in ("", " ", "-", "+"):
        raise reader.trouble("begins with neither a space, - nor +")
    reader.take()
    # An empty line stands for an empty line that stays: models leave its space out.
    if kind != "+":
        draft.old.append(rest)
    if kind != "-":
        draft.new.append(rest)
