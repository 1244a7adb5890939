"""What a gateway's JSON Schema of its settings has and ours does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from carapace.config.catalogue import ANY, Shape, catalogue
from carapace.config.node_keys import NODE_KEYS, SILENT_KEYS

__all__ = ["strange_keys"]


def strange_keys(schema: dict[str, Any]) -> list[str]:
    """Keys that our gateway would refuse as unknown if a client wrote them, `*` for any name."""
    return sorted(set(_strange(schema, catalogue(), ())) - SILENT_KEYS)


def _strange(schema: dict[str, Any], shape: Shape, place: tuple[str, ...]) -> Iterator[str]:
    for kind in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(kind, ()):
            yield from _strange(one, shape, place)
    if shape.kind == "section":
        for name, inner in schema.get("properties", {}).items():
            field = shape.fields.get(name)
            if field is not None:
                yield from _strange(inner, field.shape, (*place, name))
            elif name not in NODE_KEYS.get(place, ()) and shape.field(name) is None:
                yield ".".join((*place, name))
    elif shape.item is not None:
        inner = schema.get("additionalProperties" if shape.kind == "map" else "items")
        if isinstance(inner, dict):
            yield from _strange(inner, shape.item, (*place, ANY))
