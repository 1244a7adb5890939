"""Roles and scopes, and the one rule that says what a caller may do.

The same table answers for WebSocket methods, HTTP endpoints and events: a second rule
elsewhere would be a second door (advisory groups A and C).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["Role", "Scope", "allows", "effective"]


class Role(StrEnum):
    """What a connection is: a person's client, or a machine that offers commands."""

    OPERATOR = "operator"
    NODE = "node"


class Scope(StrEnum):
    """What an operator connection may do."""

    READ = "operator.read"
    WRITE = "operator.write"
    ADMIN = "operator.admin"
    APPROVALS = "operator.approvals"
    PAIRING = "operator.pairing"


_EVERYTHING = frozenset(Scope)
_IMPLIED = {
    Scope.ADMIN: _EVERYTHING,
    Scope.WRITE: frozenset({Scope.WRITE, Scope.READ}),
}


def effective(granted: Iterable[str]) -> frozenset[Scope]:
    """All scopes that `granted` amounts to; unknown names count for nothing."""
    out: set[Scope] = set()
    for name in granted:
        try:
            scope = Scope(name)
        except ValueError:
            continue
        out |= _IMPLIED.get(scope, frozenset({scope}))
    return frozenset(out)


def allows(granted: frozenset[Scope], needed: Scope) -> bool:
    """Whether an already `effective` set covers `needed`."""
    return needed in granted
