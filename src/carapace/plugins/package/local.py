"""A package of this machine: one file, or a folder with the files of one.

Only the place that somebody names is read, links at its end are not followed, and of a folder
nothing but the files of a package: no other file in it has any meaning (advisory G04).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from carapace.plugins.package.archive import MAX_ARCHIVE_BYTES, unpack
from carapace.plugins.package.contents import (
    MANIFEST_NAME,
    MAX_WASM_BYTES,
    SIGNATURE_NAME,
    WASM_NAME,
    Contents,
)
from carapace.plugins.package.files import read_plain
from carapace.plugins.package.manifest import MAX_MANIFEST_BYTES
from carapace.plugins.package.signature import MAX_SIGNATURE_BYTES
from carapace.plugins.state import PluginRefused, Refusal

__all__ = ["read"]

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read(path: Path) -> Contents:
    """A package file, or a folder with the files of one. Blocks: call it from a thread.

    Raises:
        PluginRefused: If it cannot be read, or is no package.
    """
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            return _folder(path)
        data = read_plain(str(path), max_bytes=MAX_ARCHIVE_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        name = getattr(error, "filename", None) or path
        raise PluginRefused(
            Refusal.SOURCE, f"{name} cannot be read: {why}. Name a package or its folder."
        ) from error
    return unpack(data)


def _folder(path: Path) -> Contents:
    """Exactly the files of a package; whatever else lies there is left alone."""
    fd = os.open(path, _FOLDER_FLAGS)
    try:
        manifest = read_plain(MANIFEST_NAME, max_bytes=MAX_MANIFEST_BYTES, folder_fd=fd)
        wasm = read_plain(WASM_NAME, max_bytes=MAX_WASM_BYTES, folder_fd=fd)
        try:
            signature = read_plain(SIGNATURE_NAME, max_bytes=MAX_SIGNATURE_BYTES, folder_fd=fd)
        except FileNotFoundError:
            signature = None
    finally:
        os.close(fd)
    return Contents(manifest, wasm, signature)
