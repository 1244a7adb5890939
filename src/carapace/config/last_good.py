"""The copy of the last configuration that worked, with all files it included.

It is what the gateway starts from when the file is broken. It holds the operator's own
texts, secrets included, so it has mode 0600 and never leaves the state folder.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from carapace.config.files import replace_file

__all__ = ["Kept", "keep", "recall"]


class Kept(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The texts of a configuration by real path; `root` is the file that was named."""

    root: str
    files: dict[str, str]


def keep(path: Path, kept: Kept) -> bool:
    """Store `kept` at `path`; False if it was there already. Makes the folder."""
    data = msgspec.json.encode(kept)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == data:
        return False
    replace_file(path, data)
    return True


def recall(path: Path, root: Path) -> Kept | None:
    """What was kept for `root`; None if nothing was, or not for that file."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
    return kept if kept.root == str(root) and kept.root in kept.files else None
