"""From what a client sends to a text that may be written: base hash, JSON5, markers, patch.

The refusals are worded as the Node gateway words them, because its clients look for some of them
and show the others. Nothing here touches the file; that is `files`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from carapace.config.check import check
from carapace.config.editor import EditError
from carapace.config.files import text_hash
from carapace.config.issue import Issue
from carapace.config.json5 import Json5Error, Node, parse
from carapace.config.load import Loaded
from carapace.config.located import Key, Located, key_text
from carapace.config.patch_text import patch_text, patched_keys
from carapace.config.redact import redact_text, restore_text
from carapace.errors import Refused
from carapace.value import Value

__all__ = [
    "Draft",
    "patched",
    "refuse_issues",
    "refuse_unknown",
    "require_base",
    "restored",
]


_RESERVED: Final = frozenset({"__proto__", "constructor", "prototype"})
"""Names that a client which merges what it reads could take for parts of the language (C31)."""


class Draft(Value, frozen=True):
    """A text that may become the file's.

    Attributes:
        text: All of it, secrets included.
        base_hash: Hash of the file it was made for, as `files.write_config` wants it.
        hash: `hash` of the snapshot once it is written.
        keys: What it changes of the settings in use.
        needs_restart: Whether something of it counts only after a restart.
    """

    text: str
    base_hash: str
    hash: str
    keys: tuple[str, ...] = ()
    needs_restart: bool = False


def require_base(base_hash: str | None, stored: str | None) -> None:
    """Make sure that a client knows the file it changes.

    Args:
        base_hash: What it shows: the hash of the text it was shown.
        stored: The file's text; None if there is no file.

    Raises:
        Refused: If it shows none although there is a file, or another one.
    """
    if stored is None:
        return
    shown = (base_hash or "").strip()
    if not shown:
        raise Refused("config base hash required; re-run config.get and retry")
    if shown != text_hash(redact_text(stored)):
        raise Refused("config changed since last load; re-run config.get and retry")


def restored(raw: str, stored: str | None) -> str:
    """`raw` with every marker replaced by what the file holds there.

    Raises:
        Refused: If it is not JSON5, or a marker stands where nothing is stored.
    """
    _refuse_reserved(_parsed(raw).plain())
    try:
        return restore_text(raw, _readable(stored))
    except KeyError as error:
        key: Key = error.args[0]
        message = (
            f"{key_text(key)} holds the marker of a hidden secret, and no secret is stored "
            "there. Write the secret itself."
        )
        details = {"issues": [{"path": key_text(key), "message": message}]}
        raise Refused(f"invalid config: {message}", details=details) from None


def patched(raw: str, stored: str | None, before: Loaded, path: Path) -> str:
    """The file's text with the merge patch `raw` applied.

    Args:
        raw: JSON5, an object.
        stored: The file's text; None if there is no file.
        before: What that text and the files it includes say.
        path: The file.

    Raises:
        Refused: If the patch is no object, or what it changes stands in another file.
    """
    patch = _parsed(raw).plain()
    if not isinstance(patch, dict):
        raise Refused("config.patch raw must be an object")
    given: dict[str, Any] = patch  # pyright: ignore[reportUnknownVariableType] - plain JSON
    _refuse_reserved(given)
    _refuse_included(given, before, path)
    try:
        return restored(patch_text(stored or "", given), stored)
    except EditError as error:
        raise Refused(f"invalid config: {error}") from None


def refuse_issues(issues: Sequence[Issue]) -> None:
    """Refuse a configuration for what is wrong with it.

    Raises:
        Refused: If there is anything.
    """
    if issues:
        listed = [{"path": one.path, "message": one.message} for one in issues]
        raise Refused("invalid config", details={"issues": listed})


def refuse_unknown(after: Located, before: Sequence[Located]) -> None:
    """Names that no gateway knows may stay where they stand, and no client adds one.

    What stands in the file may belong to another release or to a plugin that is away; what a client
    adds is a slip of the pen, and would be taken for a setting that counts.

    Raises:
        Refused: If `after` has one that none of `before` has.
    """
    kept = {_sparse(key) for tree in before for key in check(tree).unknown}
    added = {key: hint for key, hint in check(after).unknown.items() if _sparse(key) not in kept}
    refuse_issues(
        [
            Issue(key_text(key[:-1]), f'Unrecognized key: "{key[-1]}"{"." if hint else ""}{hint}')
            for key, hint in added.items()
        ]
    )


def _sparse(key: Key) -> Key:
    """Without places in lists: items move when one before them is taken away."""
    return tuple(part for part in key if isinstance(part, str))


def _refuse_reserved(value: object) -> None:
    """No setting has such a name, and no plugin, provider or account is given one.

    Raises:
        Refused: If one of them stands anywhere.
    """
    if isinstance(value, list):
        for item in cast("list[object]", value):
            _refuse_reserved(item)
    if not isinstance(value, dict):
        return
    for name, below in cast("dict[str, object]", value).items():
        if name in _RESERVED or (name.startswith("__") and name.endswith("__")):
            raise Refused(f"invalid config: the name {name[:80]!r} is reserved. Leave it out.")
        _refuse_reserved(below)


def _parsed(raw: str) -> Node:
    try:
        return parse(raw)
    except Json5Error as error:
        what = f"character '{error.char}'" if error.char else "end of input"
        where = f"{error.line}:{error.column}"
        raise Refused(f"SyntaxError: JSON5: invalid {what} at {where}") from None


def _readable(stored: str | None) -> str:
    """The file's text, or nothing where it is broken: no secret can be found in it then."""
    try:
        parse(stored or "{}")
    except Json5Error:
        return ""
    return stored or ""


def _refuse_included(patch: dict[str, Any], before: Loaded, path: Path) -> None:
    """What another file says cannot be removed here, and lists would join, not be replaced."""
    for key, value in patched_keys(patch):
        found = before.tree.find(key)
        if found is None or found.place.file == str(path):
            continue
        if value is None or isinstance(found.value, list):
            raise Refused(
                f"{key_text(key)} is set in the included file {found.place}. Change it there."
            )
