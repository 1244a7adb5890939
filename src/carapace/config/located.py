"""A value together with the place it was written at, and how two such values merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carapace.config.json5 import Lines, Node, Scalar
from carapace.value import Value

__all__ = ["Key", "Located", "Place", "key_text", "locate", "merge", "parse_key"]

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file; `line` and `column` count from 1, `line` 0 means the whole source."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Located(Value, frozen=True):
    """A value, where it stands, and the variables that were put into it."""

    value: dict[str, Located] | list[Located] | Scalar
    place: Place
    variables: tuple[str, ...] = ()

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {name: one.plain() for name, one in self.value.items()}
        if isinstance(self.value, list):
            return [one.plain() for one in self.value]
        return self.value

    def find(self, key: Key) -> Located | None:
        """What stands at `key`, if anything does."""
        here: Located | None = self
        for part in key:
            if here is None:
                return None
            here = _step(here.value, part)
        return here

    def place_of(self, key: Key) -> Place:
        """The place of `key`, or of the nearest thing around it that was written."""
        for length in range(len(key), -1, -1):
            if (found := self.find(key[:length])) is not None:
                return found.place
        return self.place  # pragma: no cover - the empty key always finds `self`


def _step(value: dict[str, Located] | list[Located] | Scalar, part: str | int) -> Located | None:
    if isinstance(value, dict):
        return value.get(str(part))
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return None


def locate(node: Node, file: str, lines: Lines) -> Located:
    """A scanned value with its place in `file`. A member's place is that of its key."""
    return _locate(node, file, lines, node.start)


def _locate(node: Node, file: str, lines: Lines, start: int) -> Located:
    place = Place(file, *lines.at(start))
    if node.kind == "object":
        members = {one.key: _locate(one.node, file, lines, one.key_start) for one in node.members}
        return Located(members, place)
    if node.kind == "array":
        return Located([_locate(one, file, lines, one.start) for one in node.items], place)
    return Located(node.value, place)


def merge(base: Located, over: Located) -> Located:
    """`over` laid upon `base`: objects merge deeply, lists join, anything else is replaced."""
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        merged = dict(base.value)
        for name, one in over.value.items():
            merged[name] = merge(merged[name], one) if name in merged else one
        return Located(merged, over.place)
    if isinstance(base.value, list) and isinstance(over.value, list):
        return Located([*base.value, *over.value], over.place)
    return over


def key_text(key: Sequence[str | int]) -> str:
    """A key as people write it: `agents.list[0].id`, odd names as `["a.b"]`."""
    out = ""
    for part in key:
        if isinstance(part, int):
            out += f"[{part}]"
        elif not part or any(char in part for char in '.[]"'):
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            out += f'["{escaped}"]'
        else:
            out += f".{part}" if out else part
    return out


def parse_key(text: str) -> Key:
    r"""The parts of a written key; `a.b`, `a[0]`, `a["x.y"]` and `a.0` are understood.

    Raises:
        ValueError: If the text is no key; the message says what is wrong.
    """
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        if text[at] == "[":
            part, at = _bracket(text, at)
        else:
            at += 1 if parts and text[at] == "." else 0
            end = min((i for i in (text.find(".", at), text.find("[", at)) if i >= 0), default=-1)
            end = len(text) if end < 0 else end
            part, at = text[at:end], end
            if not part:
                raise ValueError(f"`{text}` is no key: a name is missing between two dots")
        parts.append(part)
    if not parts or text.endswith("."):
        raise ValueError(f"`{text}` is no key; write it as in `gateway.port`")
    return tuple(parts)


def _bracket(text: str, at: int) -> tuple[str | int, int]:
    if text[at + 1 : at + 2] == '"':
        out, at = "", at + 2
        while at < len(text) and text[at] != '"':
            at += 1 if text[at] == "\\" else 0
            out += text[at : at + 1]
            at += 1
        if text[at : at + 2] != '"]':
            raise ValueError(f'`{text}` is no key: close the quoted name with "]')
        return out, at + 2
    end = text.find("]", at)
    inner = text[at + 1 : end] if end > 0 else ""
    if not (inner.isascii() and inner.isdigit()):
        raise ValueError(f"`{text}` is no key: brackets hold a number or a quoted name")
    return int(inner), end + 1
