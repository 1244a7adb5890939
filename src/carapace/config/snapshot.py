"""What `config.get` answers: the file, what it means, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from carapace.config.files import text_hash
from carapace.config.issue import Issue
from carapace.config.load import Loaded
from carapace.config.redact import redact_text, redact_tree

__all__ = ["ConfigSnapshot", "Source", "snapshot"]

Source = Literal["file", "last-good", "defaults"]


class ConfigSnapshot(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One reading of the configuration, secrets hidden. Field names are the Node gateway's.

    Attributes:
        raw: The file's text; None if there is no file.
        parsed: Its value as written.
        config: Its value with includes and variables filled in.
        hash: SHA-256 of `raw`; the base hash that a write has to show. It is not that of the file:
            a hash of the secrets would be a way to try passwords (advisory Q03).
        source: What the settings in use come from.
    """

    path: str
    exists: bool
    raw: str | None
    parsed: Any
    valid: bool
    config: Any
    hash: str
    issues: tuple[Issue, ...]
    warnings: tuple[Issue, ...]
    legacy_issues: tuple[Issue, ...]
    source: Source = "file"


def snapshot(path: Path, loaded: Loaded, text: str | None, source: Source) -> ConfigSnapshot:
    """The snapshot of `loaded`; `text` is what the root file holds now, None if missing."""
    raw = None if text is None else redact_text(text)
    return ConfigSnapshot(
        path=str(path),
        exists=text is not None,
        raw=raw,
        parsed=redact_tree(loaded.parsed),
        valid=not loaded.issues,
        config=redact_tree(loaded.tree.plain()),
        hash=text_hash(raw),
        issues=loaded.issues,
        warnings=loaded.warnings,
        legacy_issues=(),
        source=source,
    )
