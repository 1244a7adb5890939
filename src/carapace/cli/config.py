"""`cara config`: the functions of `carapace.config.edit`, with words around them."""

from __future__ import annotations

import os
from typing import Any, Final

import msgspec

from carapace.cli.options import DEFAULT_PLACE, Place
from carapace.cli.output import as_json, show
from carapace.cli.shell import new_app
from carapace.cli.target import paths_of
from carapace.cli.trouble import CONFIGURATION
from carapace.clock import SystemClock
from carapace.config import edit

__all__ = ["app"]

app: Final = new_app("config", help="Read, change and explain settings.")


@app.command
def get(key: str, /, *, place: Place = DEFAULT_PLACE) -> None:
    """Print the value in use; secrets are hidden.

    Parameters
    ----------
    key
        As in gateway.port; a section works too.
    """
    value: Any = edit.get_value(paths_of(place), os.environ, key)
    if place.json or not isinstance(value, str):
        as_json(value)
    else:
        show(value)


@app.command(name="set")
def set_(key: str, value: str, /, *, place: Place = DEFAULT_PLACE) -> None:
    """Write a value into the file, keeping its comments; works on a broken file too.

    Parameters
    ----------
    key
        As in gateway.port.
    value
        JSON5, or plain text for a setting that takes text.
    """
    paths = paths_of(place)
    _done(edit.set_key(paths, os.environ, key, value, clock=SystemClock()), place, "Set")


@app.command
def unset(key: str, /, *, place: Place = DEFAULT_PLACE) -> None:
    """Remove a key from the file, so that its default counts again.

    Parameters
    ----------
    key
        As in gateway.port.
    """
    paths = paths_of(place)
    _done(edit.unset_key(paths, os.environ, key, clock=SystemClock()), place, "Removed")


@app.command
def explain(key: str, /, *, place: Place = DEFAULT_PLACE) -> None:
    """Say a setting's value, where it comes from, its default and its meaning.

    Parameters
    ----------
    key
        As in gateway.port.
    """
    found = edit.explain_key(paths_of(place), os.environ, key)
    if place.json:
        as_json(found)
        return
    effect = "at once" if found.effect == "live" else "after a restart"
    show(
        f"{found.key} = {_text(found.value)}\n  {found.meaning}\n  from:     {found.origin}\n"
        f"  default:  {_text(found.default)}\n  takes:    {found.type}\n  changes:  {effect}"
    )


@app.command
def validate(*, place: Place = DEFAULT_PLACE) -> int:
    """Check the file and all that it includes; exits with 78 if it is broken."""
    found = edit.validate(paths_of(place), os.environ)
    if place.json:
        as_json(
            {
                "path": str(found.path),
                "exists": found.exists,
                "valid": not found.issues,
                "issues": found.issues,
                "warnings": found.warnings,
            }
        )
        return CONFIGURATION if found.issues else 0
    for issue in found.issues:
        show(f"error: {issue.message}")
    for warning in found.warnings:
        show(f"warning: {warning.message}")
    if not found.issues:
        exists = "is fine" if found.exists else "does not exist; defaults count"
        show(f"{found.path} {exists}.")
    return CONFIGURATION if found.issues else 0


@app.command
def path(*, place: Place = DEFAULT_PLACE) -> None:
    """Print where the configuration file is."""
    paths = paths_of(place)
    if place.json:
        as_json({"config": str(paths.config_path), "stateDir": str(paths.state_dir)})
    else:
        print(paths.config_path)


def _done(edited: edit.Edited, place: Place, word: str) -> None:
    if place.json:
        as_json(
            {
                "key": edited.key,
                "path": str(edited.path),
                "effect": edited.effect,
                "notes": edited.notes,
            }
        )
        return
    effect = {
        "live": "A running gateway takes it up at once.",
        "restart": "A running gateway restarts for it where gateway.reload.mode lets it.",
        "none": "It has no meaning here.",
    }[edited.effect]
    show(f"{word} {edited.key} in {edited.path}. {effect}")
    for note in edited.notes:
        show(f"note: {note}")


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
