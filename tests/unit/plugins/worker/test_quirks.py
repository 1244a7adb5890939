from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from wasmtime.component import _enter, _types

from carapace.plugins.worker import quirks
from carapace.plugins.worker.quirks import OversizeError, forget_exception, install


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


def test_an_oversize_value_is_an_error_of_its_own():
    assert issubclass(OversizeError, ValueError)
    assert "wasmtime" in sys.modules
