"""The registry of methods: one row says everything about one method.

Rows are declared where they are implemented, read from the handler's signature at import
(so a name declared twice or an untyped handler fails at start, not in production), and
merged by `app.py`. From the rows come validation, scope checks, JSON Schema, the
reference pages and the golden matchers' skeleton.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

from carapace.protocol.scopes import Role, Scope
from carapace.value import Value

__all__ = ["AnyParams", "EmptyParams", "MethodRow", "Methods"]

_F = TypeVar("_F", bound=Callable[..., Any])


class AnyParams(msgspec.Struct):
    """For methods that do not look at their params."""


class EmptyParams(msgspec.Struct, forbid_unknown_fields=True):
    """For methods that take nothing and say so (`models.list`, `config.get`)."""


class MethodRow(Value, frozen=True):
    """One method.

    Attributes:
        name: As on the wire.
        scope: What an operator needs; None for methods of the other role.
        role: Who may call it.
        params: Struct that its params must fit; None takes anything and is given nothing.
        result: The declared return type, or what `result=` says of an answer encoded before.
        handler: `(context, params) -> result`. A plain function answers at once inside the
            reader and must not block; a coroutine function runs as a task. So does one that a
            plain function returns, for the rare request that has to wait.
        summary: First line of its docstring.
        lenient: Params that do not fit are replaced by the defaults (`health`, `status`).
        advertised: Whether hello-ok names it.
        dialects: Protocol versions that know it.
    """

    name: str
    scope: Scope | None
    role: Role
    params: type[msgspec.Struct] | None
    result: Any
    handler: Callable[..., Any]
    is_async: bool
    summary: str
    lenient: bool = False
    advertised: bool = True
    dialects: frozenset[int] = frozenset({3})


class Methods(Mapping[str, MethodRow]):
    """A set of rows, one namespace or all of them."""

    def __init__(self) -> None:
        self._rows: dict[str, MethodRow] = {}

    def __getitem__(self, name: str) -> MethodRow:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def method(
        self,
        name: str,
        *,
        scope: Scope | None = None,
        role: Role = Role.OPERATOR,
        lenient: bool = False,
        advertised: bool = True,
        result: Any = None,
    ) -> Callable[[_F], _F]:
        """Declare the decorated `handler(ctx, params)` as method `name`.

        A handler that answers with bytes (`msgspec.Raw`) says in `result` what they hold.

        Raises:
            TypeError: If the signature or docstring does not say what a row needs.
            ValueError: If the name is taken, or an operator's method has no scope.
        """

        def register(handler: _F) -> _F:
            if scope is None and role is Role.OPERATOR:
                raise ValueError(f"{name}: an operator's method needs a scope")
            self.add(
                MethodRow(
                    name=name,
                    scope=scope,
                    role=role,
                    params=_params_of(name, handler),
                    result=result or get_type_hints(handler).get("return"),
                    handler=handler,
                    is_async=inspect.iscoroutinefunction(handler),
                    summary=_summary_of(name, handler),
                    lenient=lenient,
                    advertised=advertised,
                )
            )
            return handler

        return register

    def add(self, row: MethodRow) -> None:
        """Take `row` in.

        Raises:
            ValueError: If its name is taken.
        """
        if row.name in self._rows:
            raise ValueError(f"method {row.name} is declared twice")
        self._rows[row.name] = row

    def merge(self, *others: Methods) -> Methods:
        """A new registry with these rows and all of `others`."""
        merged = Methods()
        for source in (self, *others):
            for row in source.values():
                merged.add(row)
        return merged


def _params_of(name: str, handler: Callable[..., Any]) -> type[msgspec.Struct] | None:
    """The struct type of the handler's second parameter; None if it takes only a context."""
    names = list(inspect.signature(handler).parameters)
    if len(names) == 1:
        return None
    hint = get_type_hints(handler).get(names[1]) if len(names) == 2 else None  # noqa: PLR2004
    if not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        raise TypeError(f"{name}: the handler must be (ctx) or (ctx, params: a Struct)")
    return hint


def _summary_of(name: str, handler: Callable[..., Any]) -> str:
    doc = inspect.getdoc(handler)
    if not doc:
        raise TypeError(f"{name}: the handler needs a docstring, it becomes the reference")
    return doc.splitlines()[0]
