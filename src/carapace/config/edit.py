"""What `cara config` does, as plain functions: they need no running gateway.

A running one notices the new file by itself and applies what is live.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carapace.clock import Clock
from carapace.config.catalogue import find
from carapace.config.editor import EditError, set_value, unset_value
from carapace.config.explain import Explanation, explain, no_such_setting
from carapace.config.files import replace_file, text_hash, write_config
from carapace.config.issue import Issue
from carapace.config.json5 import Json5Error, parse
from carapace.config.last_good import recall
from carapace.config.load import Loaded, Overrides, load
from carapace.config.located import Key, key_text, parse_key
from carapace.config.paths import Paths
from carapace.config.reader import DiskReader
from carapace.config.redact import MARKER, redact_tree
from carapace.config.wording import describe
from carapace.errors import Refused
from carapace.value import Value

__all__ = [
    "Edited",
    "Validation",
    "explain_key",
    "get_value",
    "set_key",
    "unset_key",
    "validate",
]


class Edited(Value, frozen=True):
    """A change that was made.

    Attributes:
        key: The key as it is written.
        path: The file that was changed.
        effect: `live` or `restart`; `none` for a key without meaning here.
        notes: What else a person should know.
    """

    key: str
    path: Path
    effect: str
    notes: tuple[str, ...]


class Validation(Value, frozen=True):
    """What is wrong with the file, and what is odd about it."""

    path: Path
    exists: bool
    issues: tuple[Issue, ...]
    warnings: tuple[Issue, ...]


def validate(paths: Paths, environment: Mapping[str, str]) -> Validation:
    """Check the file and all that it includes."""
    loaded = _load(paths, environment)
    return Validation(
        paths.config_path,
        loaded.text is not None,
        loaded.issues,
        (*paths.warnings, *loaded.warnings),
    )


def get_value(paths: Paths, environment: Mapping[str, str], key: str) -> Any:
    """The value in use at `key`, secrets hidden; sections and unknown keys work too.

    Raises:
        Refused: If nothing is known under that key.
    """
    parts = _key(key)
    loaded = _load(paths, environment)
    if find(parts) is not None:
        return explain(parts, loaded).value
    found = loaded.effective.find(parts)
    if found is None:
        raise no_such_setting(parts)
    return redact_tree(found.plain(), parts)


def explain_key(paths: Paths, environment: Mapping[str, str], key: str) -> Explanation:
    """Value, origin, default and meaning of `key`.

    Raises:
        Refused: If there is no such setting.
    """
    return explain(_key(key), _load(paths, environment))


def set_key(
    paths: Paths, environment: Mapping[str, str], key: str, value: str, *, clock: Clock
) -> Edited:
    """Write `value` at `key`, keeping comments and layout.

    Works on a broken file too: wrong values elsewhere are left alone; if the file is not even
    JSON5, the last good one is changed instead and the broken one is kept beside it.

    Args:
        paths: Which file.
        environment: For `${NAME}` when the result is checked.
        key: As in `gateway.port`.
        value: JSON5, or plain text for a setting that takes text.
        clock: For the name of a broken file that is set aside.

    Raises:
        Refused: If the value does not fit the setting; nothing is written then.
    """
    parts = _key(key)
    new = _value(parts, value)
    if new == MARKER:
        raise Refused(f"{MARKER} is the marker of a hidden secret. Give the secret itself.")
    return _edit(paths, environment, parts, _Change(new), clock)


def unset_key(paths: Paths, environment: Mapping[str, str], key: str, *, clock: Clock) -> Edited:
    """Remove `key` from the file, so that its default counts again.

    Raises:
        Refused: If the file does not have it.
    """
    return _edit(paths, environment, _key(key), None, clock)


class _Change(Value, frozen=True):
    """The value to write; without a change, the key is removed."""

    value: Any

    def apply(self, text: str, key: Key) -> str:
        return set_value(text, key, self.value)


def _edit(
    paths: Paths, environment: Mapping[str, str], key: Key, change: _Change | None, clock: Clock
) -> Edited:
    before = _load(paths, environment)
    current = before.text
    base, notes = _base_text(paths, current, clock)
    _refuse_included(paths, before, key, change)
    try:
        text = (
            change.apply(base, key) if change else unset_value(base if base.strip() else "{}", key)
        )
    except EditError as error:
        raise Refused(f"{paths.config_path}: {error}.") from None
    after = load(paths.config_path, _With(paths.config_path, text), Overrides(environment))
    _refuse_worse(key, before, after)
    if notes and current is not None:
        aside = _aside(paths.config_path, clock)
        replace_file(aside, current.encode())
    write_config(paths.config_path, text, base_hash=text_hash(current))
    field = find(key)
    notes += [one.message for one in after.warnings if one.path == key_text(key)]
    effect = "none" if field is None else ("live" if field.live else "restart")
    return Edited(key_text(key), paths.config_path, effect, tuple(notes))


def _base_text(paths: Paths, current: str | None, clock: Clock) -> tuple[str, list[str]]:
    """The text to change: the file's own, or the last good one if that is not JSON5."""
    try:
        if current is not None and current.strip():
            parse(current)
    except Json5Error as error:
        root = DiskReader().real(paths.config_path)
        kept = recall(paths.last_good, root)
        place = f"{paths.config_path}:{error.line}:{error.column}"
        if kept is None:
            raise Refused(
                f"{place}: {error} The file cannot be changed before that is mended, because "
                "there is no last good one to start from."
            ) from None
        aside = _aside(paths.config_path, clock)
        note = (
            f"{place}: {error} The last good configuration was changed instead and is now the "
            f"file; the broken one is kept as {aside}."
        )
        return kept.files[str(root)], [note]
    return current or "", []


def _aside(path: Path, clock: Clock) -> Path:
    return path.with_name(f"{path.name}.broken-{clock.now():%Y%m%dT%H%M%SZ}")


def _refuse_included(paths: Paths, before: Loaded, key: Key, change: _Change | None) -> None:
    """What another file says cannot be removed here, and lists would join, not replace."""
    found = before.tree.find(key)
    if found is None or found.place.file == str(paths.config_path):
        return
    if change is None or isinstance(found.value, list):
        raise Refused(
            f"{key_text(key)} is set in the included file {found.place}. Change it there."
        )


def _refuse_worse(key: Key, before: Loaded, after: Loaded) -> None:
    """Refuse a change that breaks the key it is about; other problems are left alone."""
    known = {one.path for one in before.issues}
    name = key_text(key)
    for issue in after.issues:
        is_ours = issue.path == name or issue.path.startswith((f"{name}.", f"{name}["))
        is_new = "" not in known and issue.path not in known  # "": the file was unreadable
        if is_ours or is_new:
            raise Refused(f"{issue.message} Nothing was written.")


def _value(key: Key, text: str) -> Any:
    """What a person typed: plain text where the setting takes text, else JSON5."""
    field = find(key)
    wants_text = field is not None and describe(field.shape.type).startswith(("text", "one of"))
    try:
        value = parse(text).plain()
    except Json5Error:
        return text
    if wants_text and not isinstance(value, str):
        return text
    return value


def _key(text: str) -> Key:
    try:
        return parse_key(text)
    except ValueError as error:
        raise Refused(str(error)) from None


def _load(paths: Paths, environment: Mapping[str, str]) -> Loaded:
    return load(paths.config_path, DiskReader(), Overrides(environment))


class _With(DiskReader):
    """The disk with one file's text as it would be."""

    __slots__ = ("_path", "_text_of_it")

    def __init__(self, path: Path, text: str) -> None:
        self._path = self.real(path)
        self._text_of_it = text

    def read(self, path: Path) -> str:
        return self._text_of_it if self.real(path) == self._path else super().read(path)
