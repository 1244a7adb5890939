from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.setting import Port, Section, setting


class Example(Section, frozen=True):
    some_name: int = 1


def test_sections_are_frozen_and_use_camel_case_in_files():
    assert msgspec.convert({"someName": 2}, Example).some_name == 2
    name = "some_name"
    with pytest.raises(AttributeError):
        setattr(Example(), name, 3)


def test_a_setting_carries_its_marks():
    meta = setting("What it does.", live=True, secret=True)
    assert meta.description == "What it does."
    assert meta.extra == {"live": True, "secret": True}
    assert setting("A program.", program=True).extra == {
        "live": False,
        "secret": False,
        "program": True,
    }
    assert setting("x").extra == {"live": False, "secret": False}


@pytest.mark.parametrize("port", [0, 65536])
def test_a_port_is_bounded(port):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(port, Port)
