"""What differs between two settings, and whether each difference takes effect at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from carapace.config.catalogue import Field, Shape, catalogue
from carapace.config.located import Key, key_text
from carapace.config.settings import Settings
from carapace.value import Value

__all__ = ["Change", "changes"]


class Change(Value, frozen=True):
    """One changed key. `live` is False where it needs a restart."""

    key: str
    live: bool


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """All keys whose value differs, in the order of the files.

    Entries of a map count one by one (`models.providers.x.baseUrl`), a list as a whole.
    """
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    return tuple(_section(catalogue(), before, after, ()))


def _section(shape: Shape, old: Any, new: Any, key: Key) -> Iterator[Change]:
    for field in shape.fields.values():
        yield from _field(field, field.shape, (old.get(field.name), new.get(field.name)), key)
    if shape.others is not None:
        name = shape.others.name
        pair: tuple[Any, Any] = (old.get(name) or {}, new.get(name) or {})
        yield from _map(shape.others, shape.others.shape, pair, key)


def _field(field: Field, shape: Shape, pair: tuple[Any, Any], key: Key) -> Iterator[Change]:
    old, new = pair
    here = (*key, field.name)
    if old == new:
        return
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield Change(key_text(here), live=field.live)
    elif shape.kind == "section":
        yield from _section(shape, old, new, here)
    else:
        yield from _map(field, shape, (old, new), here)  # pyright: ignore[reportUnknownArgumentType] - plain JSON


def _map(field: Field, shape: Shape, pair: tuple[Any, Any], key: Key) -> Iterator[Change]:
    old, new = pair
    inner = shape.item
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) == new.get(name):
            continue
        if name in old and name in new and inner is not None and inner.kind == "section":
            yield from _section(inner, old[name], new[name], (*key, name))
        else:
            yield Change(key_text((*key, name)), live=field.live)
