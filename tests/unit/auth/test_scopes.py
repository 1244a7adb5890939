"""Wishes are cut to their ceiling, never widened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.auth.scopes import covers, known, narrow, outside, within_plaintext
from carapace.protocol.scopes import Scope, effective

READ_WRITE = ("operator.read", "operator.write")
NAMES = st.lists(st.sampled_from([*(scope.value for scope in Scope), "made.up", ""]))


@given(NAMES, NAMES)
def test_narrow_is_the_intersection(wanted: list[str], ceiling: list[str]):
    granted = narrow(wanted, ceiling)
    assert effective(granted) == effective(wanted) & effective(ceiling)


@given(NAMES, NAMES)
def test_outside_names_exactly_what_is_not_covered(wanted: list[str], held: list[str]):
    assert (outside(wanted, held) == ()) == covers(held, wanted)


@given(NAMES)
def test_plaintext_never_carries_more_than_write(granted: list[str]):
    assert effective(within_plaintext(granted)) <= {Scope.READ, Scope.WRITE}


@pytest.mark.parametrize(
    ("wanted", "ceiling", "granted"),
    [
        (["operator.admin"], ["operator.admin"], ("operator.admin",)),
        (
            ["operator.admin"],
            ["operator.read", "operator.write"],
            ("operator.read", "operator.write"),
        ),
        (["operator.write"], ["operator.read", "operator.pairing"], ("operator.read",)),
        (
            ["operator.pairing", "operator.read"],
            ["operator.admin"],
            ("operator.pairing", "operator.read"),
        ),
        ([], ["operator.admin"], ()),
        (["operator.admin"], [], ()),
    ],
)
def test_granted_names_keep_the_clients_words(
    wanted: list[str], ceiling: list[str], granted: tuple[str, ...]
):
    assert narrow(wanted, ceiling) == granted


def test_unknown_names_count_for_nothing():
    assert known(["operator.read", "root", "operator.read"]) == ("operator.read",)
