"""What a caller gets: computed from its credential, its paired record and its origin.

The connect frame only wishes. Nothing it says can widen what these functions return
(advisories A01, A02, A04, A06, A18). Scopes are kept as names, in the client's order, so
that hello-ok shows what was asked for when all of it was granted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carapace.protocol.scopes import Scope, effective

__all__ = [
    "DEFAULT_WISH",
    "covers",
    "known",
    "narrow",
    "outside",
    "within_plaintext",
]

DEFAULT_WISH: Final = (Scope.ADMIN.value,)
"""What an operator that names no scopes wants, as in the Node gateway."""

_PLAINTEXT: Final = (Scope.READ.value, Scope.WRITE.value)


def known(names: Iterable[str]) -> tuple[str, ...]:
    """The real scopes among `names`, each once, in their order."""
    real = {scope.value for scope in Scope}
    return tuple(dict.fromkeys(name for name in names if name in real))


def covers(held: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether `held` amounts to at least `wanted`."""
    return effective(wanted) <= effective(held)


def outside(wanted: Iterable[str], held: Iterable[str]) -> tuple[str, ...]:
    """The names of `wanted` that `held` does not cover, for messages."""
    have = tuple(held)
    return tuple(name for name in known(wanted) if not covers(have, (name,)))


def narrow(wanted: Iterable[str], ceiling: Iterable[str]) -> tuple[str, ...]:
    """The names of what is both `wanted` and within `ceiling`.

    A wish beyond the ceiling is not lost but cut: who wants admin and may only read, reads.
    """
    wish, limit = known(wanted), known(ceiling)
    granted = [name for name in wish if covers(limit, (name,))]
    granted += [name for name in limit if covers(wish, (name,)) and not covers(granted, (name,))]
    return tuple(granted)


def within_plaintext(granted: Iterable[str]) -> tuple[str, ...]:
    """What may be used where others can read the bytes: no admin, approvals, pairing (A18)."""
    return narrow(granted, _PLAINTEXT)
