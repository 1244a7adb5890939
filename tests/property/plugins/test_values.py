"""Any value of any type survives the way through a real guest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carapace.plugins.frames import Answer
from support.guests import compiled, mirror_wat
from support.local_guest import LocalGuest

NUMBERS = list(range(17))
Kind = tuple[str, st.SearchStrategy[Any]]
"""A type in WAT, and its values as JSON has them."""

SCALARS: list[Kind] = [
    ("bool", st.booleans()),
    ("u8", st.integers(0, 255)),
    ("s8", st.integers(-128, 127)),
    ("u16", st.integers(0, 65535)),
    ("s16", st.integers(-32768, 32767)),
    ("u32", st.integers(0, 2**32 - 1)),
    ("s32", st.integers(-(2**31), 2**31 - 1)),
    ("u64", st.integers(0, 2**64 - 1)),
    ("s64", st.integers(-(2**63), 2**63 - 1)),
    ("f32", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    ("f64", st.floats(allow_nan=False, allow_infinity=False)),
    ("char", st.characters(exclude_categories=["Cs"])),
    ("string", st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
]


def arms(ok: Kind, err: Kind) -> st.SearchStrategy[Any]:
    return st.one_of(st.fixed_dictionaries({"ok": ok[1]}), st.fixed_dictionaries({"err": err[1]}))


def compound(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    """Types that need no name. An option of an option is one too many for JSON."""
    plain = inner.filter(lambda kind: not kind[0].startswith("(option"))
    return st.one_of(
        inner.map(lambda kind: (f"(list {kind[0]})", st.lists(kind[1], max_size=4))),
        plain.map(lambda kind: (f"(option {kind[0]})", st.none() | kind[1])),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: (
                f"(tuple {' '.join(kind[0] for kind in kinds)})",
                st.tuples(*(kind[1] for kind in kinds)).map(list),
            )
        ),
        st.tuples(inner, inner).map(
            lambda two: (f"(result {two[0][0]} (error {two[1][0]}))", arms(two[0], two[1]))
        ),
    )


KINDS = st.recursive(st.sampled_from(SCALARS), compound, max_leaves=5)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_of_any_type_comes_back_as_it_was(data: st.DataObject) -> None:
    expression, values = data.draw(KINDS)
    asked: list[Any] = []

    def answer(_interface: str, _function: str, arguments: list[Any]) -> Answer:
        asked.append(arguments[0])
        return Answer(0, ok=arguments[0])

    guest = LocalGuest(
        compiled(mirror_wat(expression)), grants=("mirror",), exports=("echo",), answer=answer
    )
    value = data.draw(values)

    assert guest.call("echo", "give", [value, *NUMBERS]) == [value, *NUMBERS] == asked[-1]
