"""JSON Schema as tables that people read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["field_table", "link", "words"]

Schema = dict[str, Any]
_BOUNDS = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("minLength", "{} characters or more"),
    ("maxLength", "{} characters at most"),
    ("minItems", "{} items or more"),
)


def field_table(schema: Schema) -> list[str]:
    """The fields of an object type as a Markdown table; nothing if it has none."""
    fields: dict[str, Schema] = schema.get("properties", {})
    if not fields:
        return []
    required = set(schema.get("required", ()))
    lines = ["| Field | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields.items():
        default = "required" if name in required else _default(field)
        cells = (f"`{name}`", words(field), default, field.get("description", ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def words(schema: Schema) -> str:
    """What a value may be."""
    if "$ref" in schema:
        return link(schema["$ref"].rsplit("/", 1)[1])
    if "anyOf" in schema:
        return " or ".join(words(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return _array(schema)
    if kind == "object":
        values: Schema = schema.get("additionalProperties") or {}
        return f"object of {words(values)}" if values else "object"
    return ", ".join([kind, *_bounds(schema)])


def link(name: str) -> str:
    """A link to the section of a type on the page of types."""
    return f"[{name}](types.md#{name.lower()})"


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return "list of " + ", ".join(words(one) for one in schema["prefixItems"])
    items: Schema = schema.get("items") or {}
    of = f"list of {words(items)}" if items else "list"
    return ", ".join([of, *_bounds(schema)])


def _bounds(schema: Schema) -> Iterator[str]:
    for key, text in _BOUNDS:
        if key in schema:
            yield text.format(schema[key])


def _default(field: Schema) -> str:
    value = field.get("default")
    return "absent" if value is None else f"`{json.dumps(value)}`"
