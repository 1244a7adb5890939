"""Whatever the text, the reader of WIT gives a package or says what is wrong with it."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from carapace.plugins.sdk.contract import contract, contract_path
from carapace.plugins.sdk.wit.rules import broken_promises, offences
from carapace.plugins.sdk.wit.syntax import Type, WitError, parse

TEXT = contract_path().read_text("utf-8")
PIECES = st.sampled_from([*"{}()<>,;:=@/._*-", "list<", "record", "///", "func", "->", "\n", "%"])
PRIMITIVES = st.sampled_from(["bool", "u32", "f64", "string"])


@given(st.integers(0, len(TEXT)), st.integers(0, 40), PIECES | st.text(max_size=8))
def test_a_damaged_contract_is_read_or_refused(at: int, cut: int, put: str):
    try:
        package = parse(TEXT[:at] + put + TEXT[at + cut :])
    except WitError:
        return
    offences(package)
    broken_promises(contract(), package)


@given(st.text(max_size=200))
def test_any_text_is_refused_or_a_package(text: str):
    with suppress(WitError):
        assert parse(text).version


def types() -> st.SearchStrategy[Type]:
    def larger(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
        maybe = st.none() | inner
        return (
            inner.map(lambda one: Type("list", (one,)))
            | inner.map(lambda one: Type("option", (one,)))
            | st.tuples(maybe, maybe).map(lambda two: Type("result", two))
            | st.lists(inner, min_size=1, max_size=3).map(lambda all_: Type("tuple", tuple(all_)))
        )

    return st.recursive(PRIMITIVES.map(Type), larger, max_leaves=6)


@given(types())
def test_a_written_type_is_read_as_it_was(written: Type):
    package = parse(f"package a:b@1.0.0; interface i {{ f: func() -> {written}; }}")
    assert package.interfaces["i"].functions["f"].result == written
