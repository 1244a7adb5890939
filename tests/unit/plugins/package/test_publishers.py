"""A publisher is one key with one name; an empty list trusts nobody."""

from __future__ import annotations

import pytest

from carapace.plugins.package.publishers import (
    InvalidPublisher,
    Trust,
    parse_publisher,
    publisher_of,
)

KEY = bytes(range(32))
NAME = publisher_of(KEY)


def test_a_name_stands_for_its_key():
    assert parse_publisher(NAME) == KEY
    assert NAME.startswith("ed25519:")
    assert "=" not in NAME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519:",
        NAME.removeprefix("ed25519:"),
        NAME + "=",
        NAME + "A",
        NAME[:-1],
        NAME[:-1] + "9",  # the same bytes, other trailing bits
        NAME + "\n",
        "ed25519:" + "!" * 43,
        "ed25519:" + "ä" * 43,
        "ED25519:" + NAME.partition(":")[2],
    ],
)
def test_nothing_else_is_a_publisher(text):
    with pytest.raises(InvalidPublisher, match="is no publisher"):
        parse_publisher(text)


def test_who_is_not_named_is_not_trusted():
    assert not Trust().includes(NAME)
    assert not Trust().allow_unsigned
    assert Trust.of([NAME]).includes(NAME)
    assert not Trust.of([NAME]).includes(publisher_of(b"x" * 32))
    assert Trust.of([], allow_unsigned=True).allow_unsigned
