"""What a server says about its tools, bounded before a model or a person reads it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, Final, Protocol, cast

import msgspec

from carapace.agent.mcp.names import tool_name
from carapace.agent.understanding.fence import cleaned
from carapace.value import Value

__all__ = ["MAX_TOOLS", "Definition", "Listing", "SaidTool", "read_listing"]

MAX_TOOLS: Final = 64
_MAX_NAME_CHARS: Final = 256
_MAX_DESCRIPTION_CHARS: Final = 2_000
_MAX_SCHEMA_BYTES: Final = 16_384
_MAX_DEPTH: Final = 24
_MAX_REASONS: Final = 8


class SaidTool(Protocol):
    """A tool as the protocol's library gives it."""

    name: str
    description: str | None
    input_schema: dict[str, Any]


class Definition(Value, frozen=True, kw_only=True):
    """One tool.

    Attributes:
        name: As a model calls it.
        said_name: As the server calls it.
        description: What the server says, without characters that cannot be seen.
        schema: Of the arguments.
        digest: Of name, description and schema, as the server sent them.
    """

    name: str
    said_name: str
    description: str
    schema: dict[str, Any]
    digest: str


class Listing(Value, frozen=True):
    """What came of a server's list.

    Attributes:
        tools: Those that can be offered, in the server's order.
        refused: Why others cannot; at most eight reasons.
    """

    tools: tuple[Definition, ...]
    refused: tuple[str, ...] = ()


def read_listing(
    server: str, given: Iterable[SaidTool], only: Collection[str] | None = None
) -> Listing:
    """Judge a list.

    Args:
        server: Its name in the configuration.
        given: All that it lists.
        only: The operator's choice, by the server's names; None is all.
    """
    found: dict[str, Definition] = {}
    refused: list[str] = []
    for one in given:
        if only is not None and one.name not in only:
            continue
        name = tool_name(server, one.name)
        trouble = _trouble(one)
        if trouble is None and name in found:
            trouble = "it is listed twice"
        if trouble is None and len(found) >= MAX_TOOLS:
            trouble = f"there are more than {MAX_TOOLS}; choose some with `tools`"
        if trouble is None:
            found[name] = _definition(name, one)
        elif len(refused) < _MAX_REASONS:
            refused.append(f"{name}: {trouble}")
    return Listing(tuple(found.values()), tuple(refused))


def _trouble(one: SaidTool) -> str | None:
    """Why it cannot be offered."""
    if not one.name or len(one.name) > _MAX_NAME_CHARS:
        return "its name is empty or too long"
    if not cleaned(one.description or "", _MAX_DESCRIPTION_CHARS):
        return "it has no description"
    schema = one.input_schema
    if schema.get("type") != "object" or not isinstance(schema.get("properties", {}), dict):
        return 'its schema is not of "type": "object"'
    if not _is_shallow(schema, _MAX_DEPTH):
        return f"its schema is deeper than {_MAX_DEPTH} levels"
    try:
        is_long = len(msgspec.json.encode(schema)) > _MAX_SCHEMA_BYTES
        msgspec.json.encode([one.name, one.description])
    except ValueError:  # half of a pair of UTF-16
        return "it holds what cannot be written as JSON"
    return f"its schema is longer than {_MAX_SCHEMA_BYTES} bytes" if is_long else None


def _is_shallow(value: Any, room: int) -> bool:
    if isinstance(value, dict):
        inner: Iterable[Any] = cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        inner = cast("list[Any]", value)
    else:
        return True
    return room > 0 and all(_is_shallow(one, room - 1) for one in inner)


def _definition(name: str, one: SaidTool) -> Definition:
    said = [one.name, one.description, one.input_schema]
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    return Definition(
        name=name,
        said_name=one.name,
        description=cleaned(one.description or "", _MAX_DESCRIPTION_CHARS),
        schema=one.input_schema,
        digest=digest,
    )
