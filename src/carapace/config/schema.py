"""The settings as a JSON Schema with hints for forms: what `config.schema` answers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from carapace.config.catalogue import Field, Shape, catalogue
from carapace.config.settings import Settings
from carapace.config.settings.setting import OTHERS_MARK

__all__ = ["ConfigSchema", "UiHint", "config_schema", "json_schema", "ui_hints"]


class UiHint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a form shows one setting; `group` and `order` stand at the top sections only."""

    label: str
    help: str | None = None
    group: str | None = None
    order: int | None = None
    sensitive: bool = False


class ConfigSchema(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to `config.schema`."""

    schema: dict[str, Any]
    ui_hints: dict[str, UiHint]
    version: str
    generated_at: str


def config_schema(version: str, now: datetime) -> ConfigSchema:
    """Schema and hints of this version. Costs milliseconds; build it once."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
    return ConfigSchema(json_schema(), ui_hints(), version, stamp)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a configuration file, without references: forms read it as it is."""
    (root,), parts = msgspec.json.schema_components((Settings,), ref_template="#/$defs/{name}")
    inlined = _inline(root, parts)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **inlined,
        "title": "CarapaceConfig",
        "additionalProperties": True,
    }


def _inline(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(one, parts) for one in node]  # pyright: ignore[reportUnknownVariableType] - plain JSON
    if not isinstance(node, dict):
        return node
    given: dict[str, Any] = node  # pyright: ignore[reportUnknownVariableType] - plain JSON
    if "$ref" in given:
        target = parts[str(given["$ref"]).rsplit("/", 1)[1]]
        rest = {name: one for name, one in given.items() if name != "$ref"}
        merged = {**_inline(target, parts), **rest}
        merged.pop("default", None)
        return merged
    inlined = {name: _inline(one, parts) for name, one in given.items() if name != "title"}
    return _with_others(inlined)


def _with_others(node: dict[str, Any]) -> dict[str, Any]:
    """A section whose unlisted names have a shape says so the way JSON Schema does."""
    properties = node.get("properties")
    if not isinstance(properties, dict):
        return node
    listed: dict[str, Any] = properties  # pyright: ignore[reportUnknownVariableType] - plain JSON
    for name, one in tuple(listed.items()):
        if isinstance(one, dict) and one.pop(OTHERS_MARK, False):  # pyright: ignore[reportUnknownMemberType] - plain JSON
            del listed[name]
            node["additionalProperties"] = _values(one)  # pyright: ignore[reportUnknownArgumentType] - plain JSON
    return node


def _values(node: dict[str, Any]) -> Any:
    """What the values of a map are; of one that may be missing, in the first of its shapes."""
    for shape in (node, *node.get("anyOf", ())):
        if "additionalProperties" in shape:
            return shape["additionalProperties"]
    return True


def ui_hints() -> dict[str, UiHint]:
    """Hints by path; `*` stands for any name, `[]` for any index, as the stock forms read."""
    out: dict[str, UiHint] = {}
    for order, field in enumerate(catalogue().fields.values(), start=1):
        label = _label(field.name)
        out[field.name] = UiHint(label, field.meaning, label, order * 10)
        _walk(field.shape, field.name, field.secret, out)
    return out


def _walk(shape: Shape, path: str, secret: bool, out: dict[str, UiHint]) -> None:  # noqa: FBT001 - handed down
    for field in shape.fields.values():
        here = f"{path}.{field.name}"
        out[here] = _hint(field)
        _walk(field.shape, here, field.secret, out)
    if shape.others is not None and shape.others.shape.item is not None:
        out[f"{path}.*"] = _hint(shape.others)
        _walk(shape.others.shape.item, f"{path}.*", False, out)
    if shape.item is not None:
        below = f"{path}.*" if shape.kind == "map" else f"{path}[]"
        if secret:
            out[below] = UiHint("Value", sensitive=True)
        _walk(shape.item, below, secret, out)


def _hint(field: Field) -> UiHint:
    note = "" if field.live else " Takes effect after a restart."
    is_leaf = field.shape.kind == "leaf"
    return UiHint(
        _label(field.name),
        field.meaning + (note if is_leaf else ""),
        sensitive=field.secret and is_leaf,
    )


def _label(name: str) -> str:
    """`maxPayloadBytes` to `Max Payload Bytes`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return words[:1].upper() + words[1:]
