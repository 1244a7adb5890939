"""A type in words that a person who edits a file understands."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any

import msgspec

__all__ = ["choices", "describe", "describe_value"]

_MAX_SHOWN = 40
_PLAIN: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
_UNBOUNDED = 2**53 - 1


def describe(annotation: Any) -> str:
    """What may be written, such as `a whole number from 1 to 65535`."""
    if typing.get_origin(annotation) is typing.Annotated:
        bare, *rest = typing.get_args(annotation)
        metas = [one for one in rest if isinstance(one, msgspec.Meta)]
        return describe(bare) + "".join(_bounds(one) for one in metas)
    if listed := choices(annotation):
        return "one of " + ", ".join(f'"{one}"' for one in listed)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {types.UnionType, typing.Union}:
        return " or ".join(describe(one) for one in args if one is not type(None))
    if origin is tuple:
        return f"a list, each {describe(args[0])}"
    if origin is dict:
        return f"an object, each value {describe(args[1])}"
    return _PLAIN.get(annotation, "an object")


def choices(annotation: Any) -> tuple[str, ...]:
    """The texts that may be written, where they are listed."""
    if typing.get_origin(annotation) is typing.Literal:
        return tuple(str(one) for one in typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(one.value) for one in annotation)
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        listed = [choices(one) for one in typing.get_args(annotation) if one is not type(None)]
        return listed[0] if len(listed) == 1 else ()
    return ()


def _bounds(meta: msgspec.Meta) -> str:
    out = ""
    upper = None if meta.le == _UNBOUNDED else meta.le
    if meta.ge is not None and upper is not None:
        out += f" from {meta.ge:g} to {upper:g}" if upper < 1e6 else f" from {meta.ge} to {upper}"  # noqa: PLR2004 - `g` would round larger ones
    elif meta.ge is not None:
        out += f" of at least {meta.ge:g}"
    if meta.gt is not None:
        out += f" above {meta.gt:g}"
    if meta.min_length is not None:
        out += f" of {meta.min_length} to {meta.max_length} characters"
    if meta.pattern is not None:
        out += f" matching `{meta.pattern}`"
    return out


def describe_value(value: Any) -> str:
    """What was written, in short; never more than a few words of it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _MAX_SHOWN else f'{text[: _MAX_SHOWN - 2]}…"'
