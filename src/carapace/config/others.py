"""Names that a section does not list, on their way between the file and the structs.

In the file a plugin's channel stands beside the built-in ones, as `channels.zalo`, and its own
settings beside those that all channels have. In the structs they have fields of their own.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from carapace.config.catalogue import Field, Shape

__all__ = ["fits", "fold", "without_others"]


def fold(shape: Shape, value: Any) -> Any:
    """A plain tree as the structs want it: what sections do not list goes into its field.

    What does not fit there is left out, as if it were not written: whoever needs it is not
    necessarily installed, and a file of the Node gateway must not stop the start.
    """
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    if shape.kind == "map" and shape.item is not None:
        return {name: fold(shape.item, one) for name, one in members.items()}
    if shape.kind != "section":
        return members
    if shape.others is None:
        return {name: _listed(shape, name, one) for name, one in members.items()}
    folded = {
        name: _listed(shape, name, one) for name, one in members.items() if name in shape.fields
    }
    rest = {
        name: fold(_item(shape.others), one)
        for name, one in members.items()
        if name not in shape.fields and shape.others.takes(name)
    }
    kept = {name: one for name, one in rest.items() if fits(shape.others, one)}
    return {**folded, shape.others.name: kept} if kept else folded


def _listed(shape: Shape, name: str, value: Any) -> Any:
    field = shape.fields.get(name)
    return value if field is None else fold(field.shape, value)


def fits(others: Field, folded: Any) -> bool:
    """Whether a value can stand among the names that a section does not list."""
    try:
        msgspec.convert(folded, _item(others).type)
    except msgspec.ValidationError:
        return False
    return True


def without_others(shape: Shape, value: Any) -> Any:
    """The other way, for defaults: no field that is not a key of the file."""
    if shape.kind != "section" or not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    return {
        name: without_others(shape.fields[name].shape, one)
        for name, one in members.items()
        if name in shape.fields
    }


def _item(others: Field) -> Shape:
    return others.shape.item or others.shape
