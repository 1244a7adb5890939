"""`$include`: one configuration from several files.

The value is a path or a list of paths, relative to the including file. Objects merge deeply,
lists join, and what stands beside `$include` wins. A relative path may not lead out of the
folder of the file that was named outright, by dots or by symbolic links (advisory H01); who
wants a file from elsewhere writes its absolute path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from carapace.config.issue import Problem
from carapace.config.json5 import Json5Error, Lines, parse
from carapace.config.located import Key, Located, Place, key_text, locate, merge
from carapace.config.reader import Reader, ReadError

__all__ = ["INCLUDE", "MAX_FILES", "MAX_INCLUDE_DEPTH", "Include"]

INCLUDE: Final = "$include"
MAX_INCLUDE_DEPTH: Final = 10
MAX_FILES: Final = 64


class Include:
    """Reads a file and all that it includes.

    Attributes:
        files: The text of each file read, by real path.
        wanted: Each path that was looked for, present or not; what a watcher has to watch.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.files: dict[str, str] = {}
        self.wanted: set[Path] = set()

    def load(self, path: Path) -> Located:
        """The merged value of `path`.

        Raises:
            FileNotFoundError: If `path` itself is missing.
            Problem: For anything else; the place says in which file.
        """
        return self._file(path, (), path.parent)

    def _file(self, path: Path, chain: tuple[Path, ...], root: Path) -> Located:
        real = self._reader.real(path)
        self.wanted |= {path, real}
        try:
            text = self._reader.read(path)
        except ReadError as error:
            raise Problem("", str(error), Place(str(path))) from None
        self.files[str(real)] = text
        try:
            node = parse(text)
        except Json5Error as error:
            place = Place(str(path), error.line, error.column)
            raise Problem("", str(error), place) from None
        located = locate(node, str(path), Lines(text))
        return self._expand(located, _Where(path, (*chain, real), root), ())

    def _expand(self, here: Located, where: _Where, key: Key) -> Located:
        if isinstance(here.value, list):
            items = [self._expand(one, where, (*key, i)) for i, one in enumerate(here.value)]
            return Located(items, here.place)
        if not isinstance(here.value, dict):
            return here
        members = {
            name: self._expand(one, where, (*key, name))
            for name, one in here.value.items()
            if name != INCLUDE
        }
        own = Located(members, here.place)
        directive = here.value.get(INCLUDE)
        return own if directive is None else self._included(directive, own, where, key)

    def _included(self, directive: Located, own: Located, where: _Where, key: Key) -> Located:
        merged: Located | None = None
        for one in _paths(directive, key):
            found = self._one(one, where, key)
            merged = found if merged is None else merge(merged, found)
        if merged is None or not own.value:
            return merged or own
        if not isinstance(merged.value, dict):
            raise Problem(
                key_text(key),
                f"an object was expected from {INCLUDE}, because other keys stand beside it. "
                "Remove those keys or include an object.",
                directive.place,
            )
        return merge(merged, own)

    def _one(self, written: Located, where: _Where, key: Key) -> Located:
        path = Path(str(written.value)).expanduser()
        root = path.parent if path.is_absolute() else where.root
        path = where.file.parent / path
        problem = self._why_not(path, where, root)
        if problem:
            raise Problem(key_text(key), problem, written.place)
        try:
            return self._file(path, where.chain, root)
        except FileNotFoundError:
            raise Problem(
                key_text(key),
                f"the included file {path} does not exist. Create it or correct the path.",
                written.place,
            ) from None

    def _why_not(self, path: Path, where: _Where, root: Path) -> str | None:
        real = self._reader.real(path)
        if real in where.chain:
            names = " -> ".join(one.name for one in (*where.chain, real))
            return f"the files include each other in a circle: {names}. Remove one {INCLUDE}."
        if len(where.chain) > MAX_INCLUDE_DEPTH:
            return f"includes are nested deeper than {MAX_INCLUDE_DEPTH} files. Flatten them."
        if len(self.wanted) > 2 * MAX_FILES:
            return f"more than {MAX_FILES} files are included. Join some of them."
        inside = real.is_relative_to(self._reader.real(root))
        if root is where.root and not inside:
            return f"{path} leads out of {root}. Move the file there or write its absolute path."
        return None


class _Where:
    """The file an include stands in: its path, the files above it, the folder it is kept to."""

    __slots__ = ("chain", "file", "root")

    def __init__(self, file: Path, chain: tuple[Path, ...], root: Path) -> None:
        self.file = file
        self.chain = chain
        self.root = root


def _paths(directive: Located, key: Key) -> list[Located]:
    """The paths that a directive names."""
    listed = directive.value if isinstance(directive.value, list) else [directive]
    for one in listed:
        if not isinstance(one.value, str) or not one.value or "\0" in one.value:
            raise Problem(
                key_text(key),
                f"expected a path or a list of paths after {INCLUDE}. "
                'Write it as in "$include": "./models.json".',
                one.place,
            )
    return listed
