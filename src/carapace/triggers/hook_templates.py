"""`{{a.b[0]}}` in the texts of hook mappings: look-ups in what was sent, and nothing else.

There are no conditions, loops or calls. A path goes through objects by name and lists by number;
what is not there is an empty text. Headers that carry credentials cannot be named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from carapace.triggers.webhook_types import BadBody
from carapace.value import Value

__all__ = ["MAX_RENDERED", "Source", "is_template", "render"]

MAX_RENDERED: Final = 262_144
_PLACE: Final = re.compile(r"\{\{\s*([^{}]{1,256}?)\s*\}\}")
_PART: Final = re.compile(r"([^.\[\]]+)|\[(\d{1,6})\]")
_MAX_PARTS: Final = 32
# Headers whose value proves who somebody is must not end in a prompt.
_SECRET: Final = re.compile(r"authorization|cookie|token|secret|signature|api-?key|password")


class Source(Value, frozen=True, kw_only=True):
    """What a template may look into.

    Attributes:
        payload: The body.
        path: What follows `hooks.path`.
        headers: Names in lower case.
        query: By name, the first value each.
        now: The time, ISO 8601.
    """

    payload: Any
    path: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    query: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    now: str = ""


def is_template(text: str | None) -> bool:
    """Whether a request has a say in what `text` becomes."""
    return text is not None and _PLACE.search(text) is not None


def render(text: str, source: Source) -> str:
    """The text with every place filled.

    Raises:
        BadBody: If that would be longer than `MAX_RENDERED` characters.
    """
    parts: list[str] = []
    length = end = 0
    for found in _PLACE.finditer(text):
        for part in (text[end : found.start()], _text(_look_up(found[1], source))):
            parts.append(part)
            length += len(part)
        if length > MAX_RENDERED:
            raise BadBody("the message made of this body is too long: send less")
        end = found.end()
    return "".join((*parts, text[end:]))


def _look_up(expression: str, source: Source) -> Any:
    if expression == "path":
        return source.path
    if expression == "now":
        return source.now
    root, _, rest = expression.partition(".")
    if root == "headers" and rest:
        return None if _SECRET.search(rest.lower()) else source.headers.get(rest.lower())
    if root == "query" and rest:
        return None if _SECRET.search(rest.lower()) else source.query.get(rest)
    if root == "payload" and rest:
        return _walk(rest, source.payload)
    return _walk(expression, source.payload)


def _walk(path: str, value: Any) -> Any:
    parts = _PART.findall(path)
    if not 0 < len(parts) <= _MAX_PARTS:
        return None
    for name, index in parts:
        if name and isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(name)
        elif index and isinstance(value, list):
            items = cast("list[Any]", value)
            value = items[int(index)] if int(index) < len(items) else None
        else:
            return None
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return msgspec.json.encode(value).decode()
