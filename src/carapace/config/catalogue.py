"""Every setting there is, read off the structs: names, types, meanings, defaults, marks.

Checking, redaction, `explain`, the JSON Schema and the reference page all walk this one
tree, so none of them can forget a setting.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import msgspec

from carapace.config.located import Key
from carapace.config.settings import Settings
from carapace.value import Value

__all__ = ["ANY", "Entry", "Field", "Shape", "catalogue", "entries", "find", "split_annotation"]

ANY = "*"


class Shape(Value, frozen=True):
    """What may stand at a place: a section, a map or list of something, or one plain value.

    Attributes:
        type: The annotated Python type.
        fields: Of a section, by the name used in files.
        others: Of a section that takes names it does not list: the map that they stand in.
        item: What a map or list holds.
        optional: Whether `null` is allowed.
    """

    kind: Literal["section", "map", "list", "leaf"]
    type: Any
    fields: dict[str, Field]
    item: Shape | None = None
    optional: bool = False
    others: Field | None = None

    def field(self, name: str) -> Field | None:
        """What a section has at `name`, listed or not."""
        listed = self.fields.get(name)
        if listed is not None or self.others is None:
            return listed
        return self.others if self.others.takes(name) else None


class Field(Value, frozen=True):
    """One named place of a section; the marks are those of `setting`."""

    name: str
    shape: Shape
    meaning: str
    live: bool
    secret: bool
    required: bool
    default: Any
    holds_others: bool = False
    program: bool = False

    def takes(self, name: str) -> bool:
        """Whether `name` can be a key of the map that this is."""
        bare, _ = _without_none(self.shape.type)
        try:
            msgspec.convert(name, typing.get_args(bare)[0])
        except msgspec.ValidationError:
            return False
        return True


class Entry(Value, frozen=True):
    """A setting with its full key; `*` stands for any name, and for any index of a list."""

    key: Key
    field: Field


@cache
def catalogue() -> Shape:
    """The tree of all settings."""
    return _section(Settings)


def _section(struct: type[msgspec.Struct]) -> Shape:
    hints = typing.get_type_hints(struct, include_extras=True)
    fields = {
        one.encode_name: _field(one, hints[one.name]) for one in msgspec.structs.fields(struct)
    }
    holds_others = [name for name, one in fields.items() if one.holds_others]
    others = fields.pop(holds_others[0]) if holds_others else None
    return Shape("section", struct, fields, others=others)


def _field(info: msgspec.structs.FieldInfo, annotation: Any) -> Field:
    inner, meta = split_annotation(annotation)
    extra: dict[str, Any] = meta.extra or {}
    default: Any = info.default
    if info.default_factory is not msgspec.NODEFAULT:
        default = info.default_factory()
    return Field(
        name=info.encode_name,
        shape=_shape(inner),
        meaning=meta.description or "",
        live=bool(extra.get("live")),
        secret=bool(extra.get("secret")),
        required=info.required,
        default=None if default is msgspec.NODEFAULT else default,
        holds_others=bool(extra.get("others")),
        program=bool(extra.get("program")),
    )


def split_annotation(annotation: Any) -> tuple[Any, msgspec.Meta]:
    """A type and the description put on it; an empty one if there is none."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *rest = typing.get_args(annotation)
        metas = [one for one in rest if isinstance(one, msgspec.Meta)]
        described = [one for one in metas if one.description is not None]
        if described:
            others = [one for one in metas if one is not described[-1]]
            kept = typing.Annotated[(inner, *others)] if others else inner
            return kept, described[-1]
    return annotation, msgspec.Meta()


def _shape(annotation: Any) -> Shape:
    bare, optional = _without_none(annotation)
    origin, args = typing.get_origin(bare), typing.get_args(bare)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        section = _section(bare)
        return Shape(
            "section", annotation, section.fields, optional=optional, others=section.others
        )
    if origin is dict:
        return Shape("map", annotation, {}, _shape(args[1]), optional=optional)
    if origin is tuple:
        return Shape("list", annotation, {}, _shape(args[0]), optional=optional)
    return Shape("leaf", annotation, {}, optional=optional)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        args = [one for one in typing.get_args(annotation) if one is not type(None)]
        if len(args) == 1:
            return args[0], True
    return annotation, False


def entries() -> Iterator[Entry]:
    """All settings that hold a value of their own, in the order of the files."""
    yield from _entries(catalogue(), ())


def _entries(shape: Shape, key: Key) -> Iterator[Entry]:
    others = () if shape.others is None else (shape.others,)
    for field in (*shape.fields.values(), *others):
        here = (*key, ANY) if field.holds_others else (*key, field.name)
        inner: Shape | None = field.shape
        below: Key = key if field.holds_others else here
        while inner is not None and inner.kind in {"map", "list"}:
            inner, below = inner.item, (*below, ANY)
        if inner is not None and inner.kind == "section":
            yield from _entries(inner, below)
        else:
            yield Entry(here, field)


def find(key: Key) -> Field | None:
    """The field that `key` names or lies in (a map's or list's content); None if unknown."""
    shape: Shape | None = catalogue()
    found: Field | None = None
    for part in key:
        if shape is None or shape.kind == "leaf":
            return None
        if shape.kind == "section":
            found = shape.field(str(part))
            if found is None:
                return None
            shape = found.shape.item if found.holds_others else found.shape
        else:
            shape = shape.item
    return found
