"""Files below one folder, for web pages: found by name, never by a way out of the folder.

Every part of a path is opened on its own, through its parent's descriptor and never through a
link, so that neither dots nor links nor a folder that is swapped meanwhile lead outside
(advisory group F).
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Final

from carapace.value import Value

__all__ = ["StaticFile", "StaticFolder", "content_type_of"]

MAX_FILE_BYTES: Final = 32 * 1024 * 1024
_MAX_PATH_CHARS: Final = 1_024
_FORBIDDEN: Final = frozenset("\\\0:")
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC
_INSIDE: Final = os.O_NOFOLLOW
_OCTETS: Final = "application/octet-stream"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".map": "application/json; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}


class StaticFile(Value, frozen=True):
    """One file.

    Attributes:
        data: All of it.
        content_type: By its name.
        etag: Changes when the file does.
    """

    data: bytes
    content_type: str
    etag: str


def content_type_of(name: str) -> str:
    """The media type of a file name; octets for what is not known."""
    return _TYPES.get(PurePosixPath(name.lower()).suffix, _OCTETS)


class StaticFolder:
    """One folder.

    Args:
        root: It may be missing; then nothing is found.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> StaticFile | None:
        """The file at `path` (decoded, relative, with slashes), or None. Blocks: use a thread."""
        parts = _parts(path)
        if not parts:
            return None
        with ExitStack() as opened:
            try:
                here = _open(self._root, None, os.O_DIRECTORY, opened)
                for part in parts[:-1]:
                    here = _open(part, here, _INSIDE | os.O_DIRECTORY, opened)
                # O_NONBLOCK: a pipe must not hang us.
                found = _open(parts[-1], here, _INSIDE | os.O_NONBLOCK, opened)
                status = os.fstat(found)
                if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
                    return None
                with os.fdopen(os.dup(found), "rb") as file:
                    data = file.read(MAX_FILE_BYTES)
            except OSError:
                return None
        etag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
        return StaticFile(data, content_type_of(parts[-1]), etag)


def _open(name: str | Path, folder: int | None, flags: int, opened: ExitStack) -> int:
    descriptor = os.open(name, _FLAGS | flags, dir_fd=folder)
    opened.callback(os.close, descriptor)
    return descriptor


def _parts(path: str) -> list[str]:
    """The names in `path`; none if one of them is not plain."""
    if len(path) > _MAX_PATH_CHARS or _FORBIDDEN & set(path):
        return []
    parts = path.strip("/").split("/")
    if any(not part or part.startswith(".") for part in parts):
        return []
    return parts
