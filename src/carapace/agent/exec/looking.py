"""Looks at a command before it runs: which file it is, where, with what, and a digest of it all.

The same look is taken before somebody is asked and again before it runs. Only equal digests run:
what was changed in between (the program, a script it is given, the folder, a setting) is not what
was allowed (advisories L04, B17). Blocks while it reads files; run it in a thread.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from carapace.agent.exec.carriers import is_carrier
from carapace.agent.exec.place import check_root, open_folder
from carapace.agent.exec.types import Command, OpenCommand
from carapace.agent.tools.registry import ToolTrouble
from carapace.value import Value

__all__ = ["Look", "look_at"]

_PIECE_BYTES: Final = 1 << 20
_MAX_HASHED_BYTES: Final = 64 << 20
_OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Look(Value, frozen=True, kw_only=True):
    """What besides the command decides how it runs.

    Attributes:
        root: The workspace.
        state_dir: Ours.
        home: Of the user, if there is one.
        env: Of the command.
        fence: What it may reach, as text: another fence is another command.
    """

    root: Path
    state_dir: Path
    home: Path | None
    env: Mapping[str, str]
    fence: str


def look_at(argv: Sequence[str], workdir: str | None, look: Look) -> OpenCommand:
    """The command as it would run now, held open; close it.

    Raises:
        ToolTrouble: If it cannot run at all; says what to do instead.
    """
    look.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = look.root.resolve()
    check_root(root, look.state_dir.resolve(), look.home.resolve() if look.home else None)
    if any("\0" in one for one in argv):
        raise ToolTrouble("an argument holds a zero byte, which no program can be given")
    cwd_fd, cwd = open_folder(root, workdir)
    try:
        path = _find(argv[0], cwd, root, look.env["PATH"])
        program_fd = _open_program(path)
    except BaseException:
        os.close(cwd_fd)
        raise
    try:
        is_script = os.pread(program_fd, 2, 0) == b"#!"
        is_inside = path.is_relative_to(root)
        command = Command(
            argv=tuple(argv),
            path=path,
            cwd=cwd,
            env=dict(look.env),
            digest=_digest(argv, (path, program_fd), (cwd, cwd_fd), look),
            is_script=is_script,
            # What a command can change, it could change into anything.
            is_carrier=is_script or is_inside or is_carrier(path, argv[0]),
        )
    except BaseException:
        os.close(program_fd)
        os.close(cwd_fd)
        raise
    return OpenCommand(command, program_fd, cwd_fd)


def _find(name: str, cwd: Path, root: Path, search: str) -> Path:
    """The program's file without links; a bare name is never looked for in the workspace."""
    if "/" in name:
        found = Path(os.path.realpath(cwd / name))
        if not Path(name).is_absolute() and not found.is_relative_to(root):
            raise ToolTrouble(f"{name!r} leads out of the workspace; use an absolute path")
        return found
    for folder in search.split(":"):
        found = Path(os.path.realpath(Path(folder) / name))
        if not found.is_relative_to(root) and os.access(found, os.X_OK) and found.is_file():
            return found
    raise ToolTrouble(
        f"There is no program {name[:200]!r} in {search}. There is no shell either: argv is the "
        "program and its arguments, each an item of its own."
    )


def _open_program(path: Path) -> int:
    try:
        found = os.open(path, _OPEN | os.O_NOFOLLOW)
    except OSError as error:
        raise ToolTrouble(f"{path} cannot be run: {error.strerror}") from None
    mode = os.fstat(found).st_mode
    if not stat.S_ISREG(mode) or not mode & 0o111:
        os.close(found)
        raise ToolTrouble(f"{path} is no program: it is not marked as one that can be run")
    return found


def _digest(
    argv: Sequence[str], program: tuple[Path, int], folder: tuple[Path, int], look: Look
) -> str:
    (path, program_fd), (cwd, cwd_fd) = program, folder
    place = os.fstat(cwd_fd)
    bound = {
        "host": "gateway",
        "program": [str(path), _content(program_fd)],
        "argv": list(argv),
        "files": _named_files(argv, cwd_fd),
        "cwd": [str(cwd), place.st_dev, place.st_ino],
        "env": sorted(look.env.items()),
        "fence": look.fence,
    }
    return hashlib.sha256(msgspec.json.encode(bound)).hexdigest()


def _named_files(argv: Sequence[str], cwd_fd: int) -> list[tuple[int, str]]:
    """The content of files that arguments name, by their place: a script is what it says."""
    found: list[tuple[int, str]] = []
    room = _MAX_HASHED_BYTES
    for at, argument in enumerate(argv[1:], start=1):
        try:
            # A look first: opening a device or a queue can do something.
            if not stat.S_ISREG(os.stat(argument, dir_fd=cwd_fd).st_mode):
                continue
            opened = os.open(argument, _OPEN, dir_fd=cwd_fd)
        except (OSError, ValueError):
            continue
        try:
            found.append((at, _content(opened, room)))
            room = max(0, room - os.fstat(opened).st_size)
        finally:
            os.close(opened)
    return found


def _content(opened: int, room: int = _MAX_HASHED_BYTES * 16) -> str:
    """A digest of a file; of one above `room` its size, number and times stand for the rest."""
    facts = os.fstat(opened)
    if facts.st_size > room:
        kept = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        return "large:" + ":".join(str(one) for one in kept)
    hashed, offset = hashlib.sha256(), 0
    while piece := os.pread(opened, _PIECE_BYTES, offset):
        hashed.update(piece)
        offset += len(piece)
    return hashed.hexdigest()
