"""Which programs of this machine the settings name, and that no client may name another one.

An administrator at another machine may change every setting but these: who could choose the program
that is started would run what they like, and a stolen admin credential would be worth as much
(advisory C29). What the file says already may be sent back unchanged, and may be taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from carapace.config.catalogue import ANY, entries
from carapace.config.located import Key, key_text
from carapace.config.settings import Settings
from carapace.errors import Refused

__all__ = ["programs", "refuse_programs"]


def programs(settings: Settings) -> dict[str, Any]:
    """What is set of the settings that are marked so, by key; defaults are left out."""
    tree = msgspec.to_builtins(settings)
    marked = [entry for entry in entries() if entry.field.program]
    return {
        key_text(key): value
        for entry in marked
        for key, value in _values(tree, entry.key, ())
        if value != msgspec.to_builtins(entry.field.default)
    }


def refuse_programs(before: Settings, after: Settings) -> None:
    """Let a client change what it likes, but not which programs run.

    Raises:
        Refused: If a program is named in `after` that `before` does not name at that key.
    """
    known = programs(before)
    for key, value in programs(after).items():
        if key not in known or known[key] != value:
            raise Refused(
                f"invalid config: {key} says which program runs on the gateway's machine, so it "
                f"is set there: cara config set {key} ..."
            )


def _values(tree: Any, key: Key, here: Key) -> Iterator[tuple[Key, Any]]:
    """What stands at `key`, where `*` is every name and every index."""
    if not key:
        yield here, tree
        return
    first, rest, parts = key[0], key[1:], _parts(tree)
    for name in parts if first == ANY else (first,):
        if name in parts:
            yield from _values(parts[name], rest, (*here, name))


def _parts(tree: Any) -> dict[Any, Any]:
    """What is in a section or map by name, in a list by index."""
    if isinstance(tree, dict):
        return cast("dict[Any, Any]", tree)
    return dict(enumerate(cast("Iterable[Any]", tree or ())))
