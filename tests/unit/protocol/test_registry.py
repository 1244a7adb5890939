"""A method's row is read from its handler, and a bad declaration fails at import."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Role, Scope


def test_a_row_says_what_the_signature_and_docstring_say():
    methods = Methods()

    @methods.method("a.b", scope=Scope.READ)
    async def handler(ctx: object, params: EmptyParams) -> int:
        """Do it.

        More words.
        """
        return 1

    row = methods["a.b"]
    assert (row.scope, row.role, row.params, row.result) == (
        Scope.READ,
        Role.OPERATOR,
        EmptyParams,
        int,
    )
    assert row.is_async
    assert row.summary == "Do it."
    assert list(methods) == ["a.b"]
    assert len(methods) == 1


def test_a_handler_may_take_a_context_alone_and_be_plain():
    methods = Methods()

    @methods.method("n", role=Role.NODE)
    def handler(ctx: object) -> None:
        """Say nothing."""

    assert methods["n"].params is None
    assert not methods["n"].is_async


def test_a_name_declared_twice_is_refused():
    one, two = Methods(), Methods()
    for methods in (one, two):

        @methods.method("same", scope=Scope.READ)
        def handler(ctx: object) -> None:
            """Exist."""

    with pytest.raises(ValueError, match="declared twice"):
        one.merge(two)


def test_merging_keeps_both():
    one, two = Methods(), Methods()

    @one.method("one", scope=Scope.READ)
    def first(ctx: object) -> None:
        """Exist."""

    @two.method("two", scope=Scope.READ)
    def second(ctx: object) -> None:
        """Exist."""

    assert set(one.merge(two)) == {"one", "two"}


def test_an_operators_method_needs_a_scope():
    with pytest.raises(ValueError, match="needs a scope"):

        @Methods().method("x")
        def handler(ctx: object) -> None:
            """Exist."""


def test_a_handler_needs_a_docstring():
    with pytest.raises(TypeError, match="docstring"):

        @Methods().method("x", scope=Scope.READ)
        def handler(ctx: object) -> None: ...


def test_params_must_be_a_struct():
    with pytest.raises(TypeError, match="Struct"):

        @Methods().method("x", scope=Scope.READ)
        def wrong(ctx: object, params: dict[str, int]) -> None:
            """Exist."""

    with pytest.raises(TypeError, match="Struct"):

        @Methods().method("x", scope=Scope.READ)
        def many(ctx: object, params: msgspec.Struct, more: int) -> None:
            """Exist."""
