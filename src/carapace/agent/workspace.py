"""The workspace: the files in which people tell an agent who it is and how to work.

Read through the folder's descriptor and never through a link, so that nothing outside the
folder reaches a prompt (advisories J03, J04). A file is read again only when its size or time
changed. HTML comments are for people and are not shown to a model.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import Final

from carapace.value import Value

__all__ = ["DEFAULT_MAX_CHARS", "FILE_NAMES", "Workspace", "WorkspaceFile"]

FILE_NAMES: Final = (
    "AGENTS.md",
    "SOUL.md",
    "TOOLS.md",
    "IDENTITY.md",
    "USER.md",
    "HEARTBEAT.md",
    "BOOTSTRAP.md",
)
DEFAULT_MAX_CHARS: Final = 20_000
_MAX_BYTES: Final = 1_048_576
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CUT: Final = "\n[...]"
_FIRST_FILES: Final = {
    "AGENTS.md": "<!-- How the assistant should work: rules, habits, things to remember. -->\n",
    "IDENTITY.md": "<!-- Who the assistant is. Remove the marks to use a line.\n"
    "- Name: Assistant\n- Emoji: 🐚\n-->\n",
    "USER.md": "<!-- Who you are: your name, your time zone, what matters to you. -->\n",
}


class WorkspaceFile(Value, frozen=True):
    """One file as the prompt gets it.

    Attributes:
        name: One of `FILE_NAMES`.
        path: Where it is, or would be.
        text: What the model sees; empty if there is nothing.
        raw_chars: Size before comments went and the cap was applied.
        is_missing: There is no such file, or none that may be read.
        is_truncated: The cap cut it.
    """

    name: str
    path: str
    text: str
    raw_chars: int
    is_missing: bool
    is_truncated: bool


_Stamp = tuple[int, int, int]


class Workspace:
    """One agent's folder.

    Args:
        root: The folder; it may be missing.
        max_chars: Characters of one file that reach the prompt.
    """

    def __init__(self, root: Path, *, max_chars: int = DEFAULT_MAX_CHARS) -> None:
        self.root = root
        self.max_chars = max_chars
        self._known: dict[str, tuple[_Stamp, WorkspaceFile]] = {}
        self._absent = {
            name: WorkspaceFile(name, str(root / name), "", 0, True, False) for name in FILE_NAMES
        }

    def prepare(self) -> None:
        """Make the folder and its first files; files that exist are left alone.

        Raises:
            OSError: If the folder cannot be made or written.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any((self.root / name).exists() for name in FILE_NAMES):
            return
        for name, text in _FIRST_FILES.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(self.root / name, flags, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)

    def read(self) -> tuple[WorkspaceFile, ...]:
        """All files in their fixed order; what cannot be read counts as missing."""
        try:
            folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self._known.clear()
            return tuple(self._missing(name) for name in FILE_NAMES)
        try:
            return tuple(self._file(folder, name) for name in FILE_NAMES)
        finally:
            os.close(folder)

    def _file(self, folder: int, name: str) -> WorkspaceFile:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                return self._missing(name)
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            known = self._known.get(name)
            if known is not None and known[0] == stamp:
                return known[1]
            file = self._load(folder, name)
        except OSError:
            return self._missing(name)
        self._known[name] = (stamp, file)
        return file

    def _load(self, folder: int, name: str) -> WorkspaceFile:
        # O_NONBLOCK: a pipe put there between stat and open must not hang the turn.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(f"{name} is not a file")
            raw = file.read(_MAX_BYTES).decode("utf-8", errors="replace")
        text = _CONTROL.sub("", _COMMENT.sub("", raw)).strip()
        is_truncated = len(text) > self.max_chars
        if is_truncated:
            text = text[: self.max_chars] + _CUT
        return WorkspaceFile(name, str(self.root / name), text, len(raw), False, is_truncated)

    def _missing(self, name: str) -> WorkspaceFile:
        self._known.pop(name, None)
        return self._absent[name]
