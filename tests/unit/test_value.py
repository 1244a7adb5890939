"""Records inside of the house: frozen, equal by what they hold, and cheap to define."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from carapace.value import Value


class Place(Value, frozen=True, kw_only=True):
    name: str
    floor: int = 0


def test_a_value_does_not_change_and_equals_its_like():
    kitchen = Place(name="kitchen")
    assert kitchen == Place(name="kitchen", floor=0)
    assert hash(kitchen) == hash(Place(name="kitchen"))
    assert msgspec.structs.replace(kitchen, floor=2).floor == 2
    with pytest.raises(AttributeError, match="immutable"):
        kitchen.floor = 1  # pyright: ignore[reportAttributeAccessIssue] - what is tested


def test_a_field_that_is_kept_out_of_repr_needs_a_dataclass():
    """What could leak a secret into a log cannot be said by mistake."""
    assert "repr" not in inspect.signature(msgspec.field).parameters
