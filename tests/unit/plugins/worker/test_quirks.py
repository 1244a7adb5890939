from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest
from wasmtime.component import _enter, _types

from carapace.plugins.errors import GuestTrap
from carapace.plugins.frames import Answer
from carapace.plugins.worker import quirks
from carapace.plugins.worker.quirks import (
    OversizeError,
    forget_exception,
    install,
    set_max_string_bytes,
)
from support.guests import compiled, mirror_wat
from support.local_guest import LocalGuest

NUMBERS = list(range(17))


def test_installing_twice_changes_nothing():
    install()
    before = _types.ListType.convert_from_c, _types.ListType.convert_to_c
    install()
    assert (_types.ListType.convert_from_c, _types.ListType.convert_to_c) == before


def test_another_library_is_told_from_the_one_this_was_written_for(monkeypatch):
    other = SimpleNamespace(
        VariantLikeType=type("VariantLikeType", (), {}),
        String=_types.String,
        ListType=_types.ListType,
    )
    monkeypatch.setattr(quirks, "_TYPES", other)
    with pytest.raises(RuntimeError, match=r"no VariantLikeType\._tagged; install"):
        install()


def test_what_an_earlier_call_left_is_not_raised_in_the_next(monkeypatch):
    monkeypatch.setattr(_enter, "LAST_EXCEPTION", ValueError("of somebody else"))
    forget_exception()
    _enter.maybe_raise_last_exn()
    assert _enter.LAST_EXCEPTION is None


def mirror(expression: str) -> LocalGuest:
    """A guest that hands to us what we hand to it."""
    return LocalGuest(
        compiled(mirror_wat(expression)),
        grants=("mirror",),
        exports=("echo",),
        answer=lambda _interface, _function, given: Answer(0, ok=given[0]),
    )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(list u8)", list(range(256))),
        ("(list u8)", []),
        ("(list u16)", [1, 65535]),
        ("string", "text"),
        ("(result (option u32) (error string))", {"ok": None}),
        ("(result (option u32) (error string))", {"err": "e"}),
    ],
)
def test_bytes_texts_and_tagged_values_pass_in_both_directions(expression, value):
    assert mirror(expression).call("echo", "give", [value, *NUMBERS]) == [value, *NUMBERS]


@pytest.mark.parametrize(
    ("expression", "value"),
    [("string", "x" * 11), ("(list u8)", [1] * 11), ("(list u16)", [1] * 11)],
)
def test_an_oversize_value_is_an_error_before_it_becomes_an_object(expression, value):
    guest = mirror(expression)
    original = guest.limits
    guest.limits = guest.guest._limits = msgspec.structs.replace(original, value_bytes=10)
    try:
        with pytest.raises(GuestTrap, match=r"of 11 (bytes|values)") as caught:
            guest.call("echo", "give", [value, *NUMBERS])
    finally:
        set_max_string_bytes(original.value_bytes)
    assert caught.value.kind == "size"
    assert issubclass(OversizeError, ValueError)
