"""Changes one value in a JSON5 text and leaves the rest as its author wrote it.

Comments, order, quotes and trailing commas stay; only the span of the value changes, or a
member is added in the style of its neighbours. Works on files whose values are wrong, as
long as they are JSON5.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from carapace.config.json5 import Node, parse
from carapace.config.located import Key, key_text

__all__ = ["EditError", "set_value", "unset_value"]

_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_EMPTY = "{\n}\n"


class EditError(ValueError):
    """The change makes no sense for this text; the message says why."""


def set_value(text: str, key: Key, value: Any) -> str:
    """`text` with `value` at `key`; objects on the way are made.

    An object laid over an object changes only what differs, so comments inside survive.

    Raises:
        Json5Error: If `text` is not JSON5.
        EditError: If `key` leads through a list at an index it does not have.
    """
    text = text if text.strip() else _EMPTY
    root = parse(text)
    if root.kind != "object":
        raise EditError("the file does not hold an object; start it with { and end it with }")
    return _set(text, root, key, value)


def _set(text: str, root: Node, key: Key, value: Any) -> str:
    here = root
    for depth, part in enumerate(key):
        inner = _child(here, part)
        if inner is None:
            return _add(text, root, here, (key[:depth], key[depth:]), value)
        here = inner
    if here.kind == "object" and isinstance(value, dict):
        return _lay_over(text, key, here.plain(), cast("dict[str, Any]", value))
    return _put(text, here.start, here.end, _render(value, _indent_at(text, here.start), text))


def _lay_over(text: str, key: Key, before: Any, after: dict[str, Any]) -> str:
    for name in before:
        if name not in after:
            text = unset_value(text, (*key, name))
    for name, one in after.items():
        if name not in before or before[name] != one or type(before[name]) is not type(one):
            text = set_value(text, (*key, name), one)
    return text


def _child(node: Node, part: str | int) -> Node | None:
    if node.kind == "object":
        member = node.member(str(part))
        return member.node if member else None
    if node.kind == "array" and _index(part) is not None:
        index = cast("int", _index(part))
        return node.items[index] if index < len(node.items) else None
    return None


def _index(part: str | int) -> int | None:
    if isinstance(part, int):
        return part
    return int(part) if part.isascii() and part.isdigit() else None


def _add(text: str, root: Node, here: Node, key: tuple[Key, Key], value: Any) -> str:
    """Add what is missing (`key[1]`) to the value `here`, which stands at `key[0]`."""
    done, rest = key
    part = rest[0]
    if here.kind == "array":
        index = _index(part)
        if index != len(here.items):
            raise EditError(
                f"{key_text(done)} has {len(here.items)} items; "
                f"{key_text((*done, part))} can only be set up to [{len(here.items)}]"
            )
        return _insert(text, here, "", _nest(rest[1:], value))
    if here.kind == "scalar":
        nested = _nest(rest, value)
        rendered = _render(nested, _indent_at(text, here.start), text)
        return _put(text, here.start, here.end, rendered)
    return _insert(text, here, _key(str(part), here, root), _nest(rest[1:], value))


def _nest(key: Key, value: Any) -> Any:
    for part in reversed(key):
        value = {str(part): value}
    return value


def _insert(text: str, holder: Node, name: str, value: Any) -> str:
    """Add a member or item behind the last one, on a line of its own if they have such."""
    inside = text[holder.start + 1 : holder.end - 1]
    outer = _indent_at(text, holder.start)
    is_spread = "\n" in inside or not _elements(holder)
    indent = _inner_indent(text, holder, outer)
    entry = name + _render(value, indent if is_spread else outer, text)
    last = _elements(holder)[-1] if _elements(holder) else None
    tail_at = holder.start + 1 + len(inside.rstrip())
    trailing = last is not None and last[1] is not None
    if is_spread:
        entry = f"\n{indent}{entry}{',' if trailing else ''}"
        has_own_line = "\n" in text[tail_at : holder.end - 1]
        tail_end = tail_at if has_own_line else holder.end - 1
        text = _put(text, tail_at, tail_end, entry + ("" if has_own_line else f"\n{outer}"))
    else:
        text = _put(text, tail_at, tail_at, f" {entry}")
    if last is not None and not trailing:
        text = _put(text, last[0], last[0], ",")
    return text


def _elements(holder: Node) -> list[tuple[int, int | None]]:
    """End and comma of each member or item."""
    if holder.kind == "object":
        return [(one.node.end, one.comma) for one in holder.members]
    return [(one.end, comma) for one, comma in zip(holder.items, holder.commas, strict=True)]


def _inner_indent(text: str, holder: Node, outer: str) -> str:
    starts = [one.key_start for one in holder.members] or [one.start for one in holder.items]
    for start in starts:
        line = text.rfind("\n", 0, start) + 1
        if line > holder.start and not text[line:start].strip():
            return text[line:start]
    return outer + _unit(text)


def _indent_at(text: str, offset: int) -> str:
    line = text.rfind("\n", 0, offset) + 1
    found = re.match(r"[ \t]*", text[line:offset])
    return found.group() if found else ""


def _unit(text: str) -> str:
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return found.group(1) if found else "  "


def _key(name: str, holder: Node, root: Node) -> str:
    """The name as its neighbours are written: bare if they are, else in double quotes."""
    neighbours = holder.members or root.members
    bare = any(one.key_end - one.key_start == len(one.key) for one in neighbours)
    written = name if bare and _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"{written}: "


def _render(value: Any, indent: str, text: str) -> str:
    rendered = json.dumps(value, indent=_unit(text), ensure_ascii=False, allow_nan=False)
    return rendered.replace("\n", "\n" + indent)


def _put(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def unset_value(text: str, key: Key) -> str:
    """`text` without what stands at `key`.

    Raises:
        Json5Error: If `text` is not JSON5.
        EditError: If nothing stands there.
    """
    if not key:
        raise EditError("name a key; the whole file is not removed")
    holder = _holder(text, key)
    if holder is None or _child(holder, key[-1]) is None:
        raise EditError(f"{key_text(key)} is not in the file")
    while holder is not None and _child(holder, key[-1]) is not None:
        text = _remove(text, holder, key[-1])
        holder = _holder(text, key) if holder.kind == "object" else None  # written twice?
    return text


def _holder(text: str, key: Key) -> Node | None:
    here: Node | None = parse(text)
    for part in key[:-1]:
        here = _child(here, part) if here is not None else None
    return here


def _remove(text: str, holder: Node, part: str | int) -> str:
    if holder.kind == "object":
        spans = [(one.key_start, one.node.end, one.comma) for one in holder.members]
        index = max(i for i, one in enumerate(holder.members) if one.key == str(part))
    else:
        pairs = zip(holder.items, holder.commas, strict=True)
        spans = [(one.start, one.end, comma) for one, comma in pairs]
        index = cast("int", _index(part))
    return _cut(text, spans, index, last=index == len(spans) - 1)


def _cut(text: str, spans: list[tuple[int, int, int | None]], index: int, *, last: bool) -> str:
    start, end, comma = spans[index]
    if comma is not None:  # a comment between value and comma stays
        text = _put(text, comma, comma + 1, "")
    text = _put(text, start, end, "")
    text = _drop_blank_line(text, start)
    before = spans[index - 1][2] if index else None
    if last and comma is None and before is not None:
        text = _put(text, before, before + 1, "")
    return text


def _drop_blank_line(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    if start > 0 and end >= 0 and not text[start:end].strip():
        return text[: start - 1] + text[end:]
    return text
