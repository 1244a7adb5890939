"""The registry of tools: one row each, its JSON Schema made from its params struct."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

import msgspec

from carapace.agent.approval import Risk
from carapace.agent.providers.ports import ToolSpec
from carapace.agent.tools.policy import ToolScope
from carapace.agent.types import RunSource, source_of
from carapace.clock import Clock
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import Provenance
from carapace.value import Value

if TYPE_CHECKING:
    from carapace.agent.tools.memory_store import MemoryStore
    from carapace.sessions.service import Sessions

__all__ = [
    "ANYBODY",
    "OWNERS",
    "ToolAnswer",
    "ToolContext",
    "ToolRow",
    "ToolTrouble",
    "Tools",
    "json_answer",
]


class ToolTrouble(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """A tool could not do it; the text goes to the model, so it says what to try instead."""


class ToolContext(Value, frozen=True, kw_only=True):
    """For whom a tool acts, and with what.

    Attributes:
        run_id: The turn it acts for.
        session_key: The turn's session.
        agent_id: Bounds everything a tool may see.
        provenance: Whose words started the turn.
        timezone: IANA name, or None for UTC.
        clock: For what depends on time.
        sessions: The conversations.
        memory: What the agent remembers.
        call_id: The model's id of this call; not unique in every run.
        scope: Which lists of tools hold; None is what session and provenance say.
        answers: Id, on its chat service, of the message that the turn answers, if there is one.
        is_direct: A person's program calls the tool by itself (`/tools/invoke`): no model chose
            it, so nobody is asked.
        approved: Digest of exactly what may be done, where the tool is one that looks again.
    """

    run_id: RunId
    session_key: SessionKey
    agent_id: AgentId
    provenance: Provenance
    timezone: str | None
    clock: Clock
    sessions: Sessions
    memory: MemoryStore
    call_id: str = ""
    scope: ToolScope | None = None
    answers: str | None = None
    is_direct: bool = False
    approved: str = ""

    @property
    def source(self) -> RunSource:
        """What those words may cause, as rules tell it apart."""
        return source_of(self.provenance)


class ToolAnswer(Value, frozen=True):
    """What a tool says to a model, and the same as facts for programs.

    Attributes:
        text: For the model.
        details: JSON-ready; None if the text is all there is.
    """

    text: str
    details: Any = None


def json_answer(ctx: ToolContext, details: Any) -> ToolAnswer:
    """Facts as JSON: for people in lines, as the Node gateway has it, for models without."""
    text = msgspec.json.encode(details)
    return ToolAnswer((msgspec.json.format(text) if ctx.is_direct else text).decode(), details)


Handler = Callable[[ToolContext, Any], Awaitable[str | ToolAnswer]]
_F = TypeVar("_F", bound=Handler)

ANYBODY: Final = frozenset(RunSource)
"""Rules alone say whose words use a tool."""

OWNERS: Final = frozenset({RunSource.OPERATOR, RunSource.HTTP})
"""Only words that come straight from the owner or the owner's programs use a tool."""


class ToolRow(Value, frozen=True):
    """One tool.

    Attributes:
        name: As the model calls it.
        description: What it does and when to use it; the handler's docstring.
        params: What its arguments must fit: a struct, or any object where a plugin checks them.
        risk: The worst it can do.
        handler: `async (context, params) -> text for the model`, or a `ToolAnswer`.
        is_core: Also offered to models with a small window.
        timeout_s: Longest run.
        spec: As a provider gets it.
        sources: Whose words may use it at all, whatever the rules would let pass.
        needs_admin: It does what methods ask `operator.admin` for: no model has it that answers
            words without that.
        reads: Values of its argument `action` for which a program that calls it by itself needs
            no `operator.admin` either.
        definition: Digest of what its maker says about it, where that may change while we run.
        note: What a person who is asked about a use should know of it.
    """

    name: str
    description: str
    params: type[Any]
    risk: Risk
    handler: Handler
    is_core: bool
    timeout_s: float
    spec: ToolSpec
    sources: frozenset[RunSource] = ANYBODY
    needs_admin: bool = False
    reads: frozenset[str] = frozenset()
    definition: str = ""
    note: str = ""


class Tools(Mapping[str, ToolRow]):
    """A set of rows."""

    def __init__(self) -> None:
        self._rows: dict[str, ToolRow] = {}

    def __getitem__(self, name: str) -> ToolRow:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def tool(
        self,
        name: str,
        *,
        risk: Risk,
        is_core: bool = False,
        timeout_s: float = 30.0,
        sources: frozenset[RunSource] = ANYBODY,
        needs_admin: bool = False,
        reads: frozenset[str] = frozenset(),
    ) -> Callable[[_F], _F]:
        """Declare the decorated `async (ctx, params) -> str` as tool `name`.

        Raises:
            TypeError: If the second parameter is no struct or the docstring is missing.
            ValueError: If the name is taken.
        """

        def register(handler: _F) -> _F:
            params = _params_of(name, handler)
            description = inspect.getdoc(handler)
            if not description:
                raise TypeError(f"{name}: the handler needs a docstring, the model reads it")
            text = " ".join(description.split())
            row = ToolRow(
                name=name,
                description=text,
                params=params,
                risk=risk,
                handler=handler,
                is_core=is_core,
                timeout_s=timeout_s,
                spec=ToolSpec(name=name, description=text, parameters=_schema(params)),
                sources=sources,
                needs_admin=needs_admin,
                reads=reads,
            )
            self.add(row)
            return handler

        return register

    def add(self, row: ToolRow) -> None:
        """Take `row` in.

        Raises:
            ValueError: If its name is taken.
        """
        if row.name in self._rows:
            raise ValueError(f"tool {row.name} is declared twice")
        self._rows[row.name] = row

    def remove(self, name: str) -> None:
        """Forget a tool; an unknown one is none."""
        self._rows.pop(name, None)

    def merge(self, *others: Tools) -> Tools:
        """A new registry with these rows and all of `others`."""
        merged = Tools()
        for source in (self, *others):
            for row in source.values():
                merged.add(row)
        return merged


def _params_of(name: str, handler: Handler) -> type[msgspec.Struct]:
    names = list(inspect.signature(handler).parameters)
    hint = get_type_hints(handler).get(names[1]) if len(names) == 2 else None  # noqa: PLR2004
    if not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        raise TypeError(f"{name}: the handler must be (ctx, params: a Struct)")
    return hint


def _schema(params: type[msgspec.Struct]) -> dict[str, Any]:
    """The struct's schema as one plain object, as every vendor takes it."""
    _, defined = msgspec.json.schema_components((params,), ref_template="#/$defs/{name}")
    schema: dict[str, Any] = dict(defined.pop(params.__name__))
    schema.pop("title", None)
    schema.pop("description", None)
    if defined:
        schema["$defs"] = defined
    return schema
