"""The roots that skills lie in, read through descriptors and never through a link.

A root holds folders, each with a SKILL.md. Names are opened one below the other with links
refused, so no skill and none of its files can stand for something outside its root (advisories
G16, J03). A file is read again only if its size, time or number changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from carapace.agent.skills.declaration import declare
from carapace.agent.skills.front_matter import FrontMatterError
from carapace.agent.skills.types import Skill, SkillSource
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = ["FILE_NAME", "MAX_FILE_BYTES", "MAX_SKILLS", "SkillRoot", "Unreadable", "read_below"]

FILE_NAME: Final = "SKILL.md"
MAX_FILE_BYTES: Final = 262_144
MAX_SKILLS: Final = 200
_MAX_NAMES: Final = 1_000
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a pipe put there must not hang the turn that looks at it.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_log = get_logger(__name__)

_Stamp = tuple[int, int, int]


class Unreadable(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """A file is not there, is no plain file, or is too large; the text says which."""


class _Known(Value, frozen=True):
    stamp: _Stamp
    skill: Skill | None


class SkillRoot:
    """One folder of skill folders.

    Args:
        path: It may be missing.
        source: What kind of root it is.
        system: As `sys.platform`.
    """

    def __init__(self, path: Path, source: SkillSource, *, system: str) -> None:
        self.path = path
        self.source = source
        self._system = system
        self._known: dict[str, _Known] = {}

    def read(self) -> tuple[Skill, ...]:
        """All skills in it, by folder name; what cannot be read is left out and logged once."""
        try:
            # The root itself is the operator's choice and may be a link.
            root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self._known.clear()
            return ()
        try:
            names = self._names(root)
            self._known = {name: self._look(root, name) for name in names}
        finally:
            os.close(root)
        found = [known.skill for known in self._known.values() if known.skill is not None]
        return tuple(found[:MAX_SKILLS])

    def _names(self, root: int) -> list[str]:
        with os.scandir(root) as entries:
            listed = (
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
            # The order of a folder is not ours: the cap holds before the names are sorted.
            return sorted(name for name, _ in zip(listed, range(_MAX_NAMES), strict=False))

    def _look(self, root: int, name: str) -> _Known:
        known = self._known.get(name)
        try:
            with opened(root, (name, FILE_NAME)) as file:
                stamp = _stamp(file)
                if known is not None and known.stamp == stamp:
                    return known
                text = _text(file)
        except (OSError, Unreadable) as error:
            return self._without(name, (0, 0, 0), error)
        try:
            skill = declare(text, self.path / name, self.source, system=self._system)
        except FrontMatterError as error:
            return self._without(name, stamp, error)
        return _Known(stamp, skill)

    def _without(self, name: str, stamp: _Stamp, error: Exception) -> _Known:
        known = self._known.get(name)
        is_new = known is None or known.stamp != stamp
        if is_new and not isinstance(error, FileNotFoundError):
            folder = str(self.path / name)
            _log.warning("a skill cannot be read", folder=folder, reason=str(error))
        return _Known(stamp, None)


def read_below(base_dir: Path, name: str) -> str:
    """The text of a file of a skill, by its path below the skill's folder.

    Raises:
        Unreadable: If it is not there, outside, a link, or too large.
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise Unreadable("a file of a skill is named by its path below the skill's folder")
    try:
        root = os.open(base_dir, _FOLDER)
    except OSError as error:
        raise Unreadable("the skill is not there any more") from error
    try:
        with opened(root, parts) as file:
            return _text(file)
    except OSError as error:
        raise Unreadable(f"there is no file {name[:200]!r} in this skill") from error
    finally:
        os.close(root)


@contextmanager
def opened(root: int, parts: tuple[str, ...]) -> Generator[int]:
    """The plain file below `root`, no part of whose way is a link.

    Raises:
        OSError: If it is not there, or a link stands in the way.
        Unreadable: If it is no plain file.
    """
    descriptors: list[int] = []
    try:
        here = root
        for part in parts[:-1]:
            here = os.open(part, _FOLDER, dir_fd=here)
            descriptors.append(here)
        file = os.open(parts[-1], _FILE, dir_fd=here)
        descriptors.append(file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Unreadable("it is no plain file")
        yield file
    finally:
        for one in descriptors:
            os.close(one)


def _stamp(file: int) -> _Stamp:
    found = os.fstat(file)
    return found.st_ino, found.st_mtime_ns, found.st_size


def _text(file: int) -> str:
    data = b""
    while len(data) <= MAX_FILE_BYTES and (piece := os.read(file, MAX_FILE_BYTES + 1)):
        data += piece
    if len(data) > MAX_FILE_BYTES:
        raise Unreadable(f"it is longer than {MAX_FILE_BYTES} bytes")
    return data.decode("utf-8", errors="replace")
