"""Which route answers at which path: exact, never a guess, changed while requests come in."""

from __future__ import annotations

import re
from typing import Final

from carapace.errors import Refused
from carapace.protocol.connect import BRANDS
from carapace.triggers.webhook_types import WebhookRoute
from carapace.value import Value

__all__ = ["RESERVED", "Found", "Paths"]

RESERVED: Final = (
    *("/health", "/healthz", "/ready", "/readyz", "/metrics"),
    *("/v1", "/tools", "/media", "/avatar", "/canvas-pass"),
    *(f"/__{brand}__" for brand in BRANDS),
)
"""Paths that the gateway serves itself, with all below them: webhooks are looked for first."""

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+(?:/\*)?")
_MAX_PATH: Final = 256


class Found(Value, frozen=True):
    """What is at a path.

    Attributes:
        route: Who answers, or None: the path lies below a claimed one and nothing is there.
        methods: What may be sent there.
        owner: Whose path it is.
    """

    route: WebhookRoute | None
    methods: frozenset[str]
    owner: str


class Paths:
    """The table. A path is exact, or ends in `/*` and stands for all below it.

    The exact path wins over all others, a longer one over a shorter one. Two routes on one path
    are an error: the first or the last one would win with the wrong rules (advisory D14).
    """

    __slots__ = ("_claims", "_exact", "_methods", "_prefixes")

    def __init__(self) -> None:
        self._exact: dict[str, WebhookRoute] = {}
        self._prefixes: dict[str, WebhookRoute] = {}
        self._claims: dict[str, str] = {}
        self._methods: dict[str, frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._exact) + len(self._prefixes)

    def add(self, route: WebhookRoute) -> None:
        """Put a route in.

        Raises:
            Refused: If its path is taken, reserved, below somebody else's or not a plain path.
        """
        self._check(route.path, route.owner)
        table = self._table(route.path)
        taken = table.get(route.path)
        if taken is not None:
            raise Refused(
                f"the webhook path {route.path} is taken by {taken.owner}: give {route.owner} "
                "another one"
            )
        holder = self._claimed(route.path.removesuffix("/*"))
        if (
            holder is not None
            and route.owner != holder
            and not route.owner.startswith(f"{holder}.")
        ):
            raise Refused(
                f"the webhook path {route.path} of {route.owner} is below one of {holder}: "
                "choose another one"
            )
        table[route.path] = route

    def claim(self, prefix: str, owner: str, methods: frozenset[str] = frozenset({"POST"})) -> None:
        """Say that `prefix` and all below it are `owner`'s: what is not there is answered 404.

        Other methods than these, and than those of the owner's routes, are answered 405.

        Raises:
            Refused: If somebody else has claimed it, or as `add`.
        """
        self._check(prefix, owner)
        holder = self._claims.setdefault(prefix, owner)
        if holder != owner:
            raise Refused(f"the webhook path {prefix} is taken by {holder}")
        self._methods[owner] = methods

    def remove(self, owner: str, path: str | None = None) -> int:
        """Take out one route of `owner`, or all and its claims; how many routes that were."""
        gone = 0
        for table in (self._exact, self._prefixes):
            for key, route in list(table.items()):
                if route.owner == owner and path in (None, key):
                    del table[key]
                    gone += 1
        if path is None:
            self._claims = {key: held for key, held in self._claims.items() if held != owner}
        return gone

    def find(self, path: str) -> Found | None:
        """Who answers at `path`, as it was sent; None if it is nobody's here."""
        if len(path) > _MAX_PATH:
            return None
        route = self._exact.get(path) or self._below(path)
        if route is not None:
            return Found(route, route.methods, route.owner)
        owner = self._claimed(path)
        if owner is None:
            return None
        return Found(None, self._methods_of(owner), owner)

    def _below(self, path: str) -> WebhookRoute | None:
        if not self._prefixes or not _PATH.fullmatch(path):
            return None
        for parent in _parents(path):
            route = self._prefixes.get(f"{parent}/*")
            if route is not None:
                return route
        return None

    def _claimed(self, path: str) -> str | None:
        """By the text before each slash, so that `/hooks//x` and `/hooks/` stay ours too."""
        for parent in (path, *_parents(path)):
            owner = self._claims.get(parent)
            if owner is not None:
                return owner
        return None

    def _methods_of(self, owner: str) -> frozenset[str]:
        tables = (self._exact, self._prefixes)
        every = [one.methods for table in tables for one in table.values() if one.owner == owner]
        return frozenset[str]().union(*every) or self._methods[owner]

    def _table(self, path: str) -> dict[str, WebhookRoute]:
        return self._prefixes if path.endswith("/*") else self._exact

    def _check(self, path: str, owner: str) -> None:
        if len(path) > _MAX_PATH or not _PATH.fullmatch(path):
            raise Refused(
                f"{path[:80]!r} of {owner} is no webhook path: use letters, digits, - . _ ~ "
                "between single slashes, as in /hooks/mail"
            )
        if any(path == kept or path.startswith(f"{kept}/") for kept in RESERVED):
            raise Refused(f"the path {path} of {owner} is the gateway's own: choose another one")


def _parents(path: str) -> tuple[str, ...]:
    """`/a/b/c` to `/a/b` and `/a`, the longest first."""
    found: list[str] = []
    at = path.rfind("/")
    while at > 0:
        found.append(path[:at])
        at = path.rfind("/", 0, at)
    return tuple(found)
