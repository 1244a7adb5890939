"""`tests/security/authority.toml`: who may do what, as a person wrote it down, and as a page.

Nothing in here is taken from the code under test: a rule that is wrong there cannot be wrong
here in the same way.
"""

from __future__ import annotations

import itertools
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["PAGE", "TABLE", "WISHES", "Credential", "Place", "Table", "page_text"]

_HERE: Final = Path(__file__).resolve()
_SOURCE: Final = _HERE.parents[1] / "security" / "authority.toml"
PAGE: Final = _HERE.parents[2] / "docs" / "reference" / "authority.md"
WISHES: Final[tuple[tuple[str, ...] | None, ...]] = (
    None,
    (),
    ("read",),
    ("write",),
    ("approvals",),
    ("pairing",),
    ("admin",),
    ("admin", "approvals", "pairing"),
    ("talk.secrets", "read"),
)
"""What a client may ask for, in short names; None names no scopes at all."""


@dataclass(frozen=True)
class Place:
    """Where a request comes from; `kind` is its class."""

    name: str
    kind: str
    peer: str
    headers: Mapping[str, str]
    is_tls: bool
    has_login: bool

    @property
    def speaks_of_tailscale(self) -> bool:
        """Whether the gateway is behind `tailscale serve` in this case."""
        return "Tailscale-User-Login" in self.headers


@dataclass(frozen=True)
class Credential:
    """What a caller shows, and what comes of it."""

    name: str
    token: str | None = None
    password: str | None = None
    bearer: str | None = None
    device: str | None = None
    role: str = "operator"
    mode: str = "token"
    client: str = "cli"
    refused: str | None = None
    local: list[str] | str | None = None
    private: list[str] | str | None = None
    plain: list[str] | str | None = None
    login: list[str] | str | None = None
    beyond: str | None = None

    def is_vouched_for(self, place: Place) -> bool:
        """Whether tailscale says who this is, and the gateway asks it."""
        return place.has_login and self.mode == "token" and self.bearer is None

    def outcome(self, place: Place) -> list[str] | str:
        """The most that is granted, or the reason of the refusal."""
        if self.is_vouched_for(place) and self.login is not None:
            return self.login
        found = self.refused or getattr(self, place.kind)
        assert found is not None, f"{self.name}: nothing is said of {place.kind}"
        return found


@dataclass(frozen=True)
class Table:
    """The whole file."""

    methods: Mapping[str, list[str]]
    implied: Mapping[str, list[str]]
    unrecorded: Mapping[str, list[str]]
    places: list[Place] = field(default_factory=list[Place])
    credentials: list[Credential] = field(default_factory=list[Credential])
    tightenings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def amounts_to(self, scopes: Iterable[str]) -> frozenset[str]:
        """All that these short names imply; unknown ones imply nothing."""
        return frozenset(itertools.chain.from_iterable(self.implied.get(s, ()) for s in scopes))

    def needs(self) -> dict[str, str]:
        """What each method needs: a short scope, or `node`."""
        return {name: need for need, names in self.methods.items() for name in names}

    def verdict(self, need: str, role: str, held: Iterable[str]) -> str:
        """`allowed`, or the words of the refusal."""
        if (role == "node") != (need == "node"):
            return f"unauthorized role: {role}"
        if need == "node" or need in held:
            return "allowed"
        return f"missing scope: operator.{need}"

    def granted(
        self, credential: Credential, place: Place, wish: tuple[str, ...] | None
    ) -> frozenset[str] | str:
        """What the caller holds, or why it is refused."""
        if place.kind == "door":
            return "door"
        most = credential.outcome(place)
        if isinstance(most, str):
            return most
        asked = self.amounts_to(("admin",) if wish is None else wish)
        is_beyond = bool(wish) and not asked <= self.amounts_to(most)
        if credential.beyond is not None and is_beyond and not credential.is_vouched_for(place):
            return credential.beyond
        return asked & self.amounts_to(most)

    def product(self) -> Iterator[tuple[Credential, Place]]:
        """Every credential at every place."""
        return itertools.product(self.credentials, self.places)


def _load() -> Table:
    raw = tomllib.loads(_SOURCE.read_text("utf-8"))
    return Table(
        methods=raw["methods"],
        implied=raw["implied"],
        unrecorded=raw["unrecorded"],
        places=[
            Place(
                name=one["name"],
                kind=one["class"],
                peer=one["peer"],
                headers=one["headers"],
                is_tls=one.get("tls", False),
                has_login=one.get("login", False),
            )
            for one in raw["origin"]
        ],
        credentials=[Credential(**one) for one in raw["credential"]],
        tightenings=raw["tightening"],
    )


TABLE: Final = _load()

_HEAD: Final = """# Who may do what

<!-- Made of tests/security/authority.toml by `python -m support.authority_table`. -->

Three things decide what a caller may do, in this order: where it comes from, what it shows, and
what the [method](websocket.md#methods) needs. An [HTTP endpoint](http.md) needs what the method
needs whose twin it is. Tests ask every method for every combination, of the code that decides
and of a running gateway.

## What a method needs

`operator.admin` holds everything, `operator.write` also `operator.read`. Nodes may use the
methods of nodes and nothing else; operators everything but those.

"""


def page_text() -> str:
    """`docs/reference/authority.md`."""
    parts = [_HEAD, *_table(("Needs", "Methods"), _method_rows())]
    parts += ["\n## Where a request comes from\n\n"]
    meanings = (
        "*local*: this machine itself; *private*: nobody can read along; *plain*: others can; "
        "*door*: refused before\nanything is read.\n\n"
    )
    parts += [meanings, *_table(("A request of", "is"), ((p.name, p.kind) for p in TABLE.places))]
    parts += ["\n## What a caller shows\n\n"]
    parts += ["The most that it gets; it gets of that what it asks for.\n\n"]
    parts += _table(("A caller with", "local", "private", "plain"), _credential_rows())
    parts += ["\nWhere tailscale vouches for a person, an approved device needs nothing else.\n"]
    parts += ["\n## Narrower than the Node gateway\n\n"]
    parts += _table(("Here", "because"), ((t["what"], t["why"]) for t in TABLE.tightenings))
    return "".join(parts)


def _method_rows() -> Iterator[tuple[str, str]]:
    for need, names in TABLE.methods.items():
        title = "the role of a node" if need == "node" else f"`operator.{need}`"
        yield title, ", ".join(f"`{name}`" for name in names)


def _credential_rows() -> Iterator[tuple[str, ...]]:
    for one in TABLE.credentials:
        cells = (one.refused or getattr(one, kind) for kind in ("local", "private", "plain"))
        yield one.name, *(_cell(cell) for cell in cells)


def _cell(outcome: list[str] | str) -> str:
    if isinstance(outcome, str):
        return f"refused: {outcome}"
    return ", ".join(f"`{scope}`" for scope in outcome) or "the methods of nodes"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n"
    yield f"| {' | '.join('---' for _ in head)} |\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page_text(), "utf-8")
    sys.stdout.write(f"{PAGE}\n")
