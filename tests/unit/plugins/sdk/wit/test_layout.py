"""Values become core values as the Canonical ABI says."""

from __future__ import annotations

import pytest

from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.wit.layout import Shape, core_signature, flat, shape_of
from carapace.plugins.sdk.wit.syntax import Type, WitError, parse

PACKAGE = parse(
    """package a:b@1.0.0;
    interface i {
      variant mixed { none, number(u32), real(f32), big(f64) }
      type id = string;
      record pair { left: id, right: tuple<bool, u64> }
      f: func(x: id);
    }"""
)


def shape(text: str) -> Shape:
    package = parse(f"package a:b@1.0.0; interface i {{ f: func(x: {text}); }}")
    mentioned = package.interfaces["i"].functions["f"].parameters[0].type
    assert mentioned is not None
    return shape_of(package, "i", mentioned)


@pytest.mark.parametrize(
    ("text", "core"),
    [
        ("bool", ("i32",)),
        ("f64", ("f64",)),
        ("u64", ("i64",)),
        ("string", ("i32", "i32")),
        ("list<string>", ("i32", "i32")),
        ("option<f64>", ("i32", "f64")),
        ("result<string, bool>", ("i32", "i32", "i32")),
        ("result", ("i32",)),
        ("tuple<f32, string>", ("f32", "i32", "i32")),
    ],
)
def test_flat_types(text: str, core: tuple[str, ...]):
    assert flat(shape(text)) == core


def test_cases_of_unlike_types_share_the_wider():
    assert flat(shape_of(PACKAGE, "i", Type("mixed"))) == ("i32", "i64")


def test_an_alias_is_what_it_stands_for():
    assert flat(shape_of(PACKAGE, "i", Type("pair"))) == ("i32", "i32", "i32", "i64")


def test_many_parameters_and_large_results_go_through_memory():
    deliver = contract().interfaces["inbound"].functions["deliver"]
    assert core_signature(contract(), "inbound", deliver, imported=True) == (("i32", "i32"), ())
    invoke = contract().interfaces["tool"].functions["invoke"]
    assert core_signature(contract(), "tool", invoke, imported=False) == (("i32",) * 4, ("i32",))
    emit = contract().interfaces["log"].functions["emit"]
    assert core_signature(contract(), "log", emit, imported=True) == (("i32",) * 3, ())


def test_a_bare_case_has_no_shape():
    with pytest.raises(WitError, match="mixed has nothing at 0"):
        shape_of(PACKAGE, "i", Type("mixed")).part(0)
