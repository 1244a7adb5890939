"""The role `tool`: what a plugin can do, as rows of the registry of tools.

Names are `plugin_<id>_<tool>`: ids hold no underscore, so no two plugins can meet in one name,
and none can stand in for a built-in tool. A definition is a stranger's text: it is checked and
bounded before a model reads it. The risk is what the author declared, and policy goes by it; what
a tool can do at worst is bounded by what the plugin was granted.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final, Literal

import msgspec

from carapace.agent.approval import Risk
from carapace.agent.providers.ports import ToolSpec
from carapace.agent.tools.registry import ToolContext, ToolRow, ToolTrouble
from carapace.errors import Failed, Refused
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import Guest, said

__all__ = ["MAX_TOOLS", "plugin_tools", "tool_name"]

MAX_TOOLS: Final = 32
_MAX_NAME_CHARS: Final = 64  # the shortest limit among the vendors
_MAX_SCHEMA_CHARS: Final = 16_384
_MAX_DESCRIPTION_CHARS: Final = 2_000
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]+")
_MARGIN_S: Final = 1.0
_RISKS: Final = {"read": Risk.READ, "write": Risk.WRITE, "danger": Risk.DANGEROUS}


class _Definition(msgspec.Struct, frozen=True):
    """`tool.definition`."""

    name: str
    description: str
    schema: str
    risk: Literal["read", "write", "danger"]


def tool_name(plugin_id: str, name: str) -> str:
    """What a model calls the tool `name` of a plugin."""
    return f"plugin_{plugin_id}_{name}"


async def plugin_tools(guest: Guest, *, call_timeout_s: float) -> tuple[ToolRow, ...]:
    """The tools of a plugin that was just started.

    Args:
        guest: The plugin.
        call_timeout_s: Its longest call; as long again may pass until its worker is free.

    Raises:
        Refused: If a definition makes no sense; names it.
        Failed: If it could not be asked.
    """
    try:
        given = msgspec.convert(await guest.call("tool", "definitions"), list[_Definition])
    except (GuestError, GuestTrap, PluginUnavailable) as error:
        raise Failed(
            f"The plugin {guest.id} does not say what its tools are: {said(str(error))}"
        ) from error
    except msgspec.ValidationError as error:
        raise Refused(f"The plugin {guest.id} defines no tools: {error}.") from None
    if len(given) > MAX_TOOLS:
        raise Refused(
            f"The plugin {guest.id} defines {len(given)} tools; more than {MAX_TOOLS} would "
            "crowd the others out of a model's sight. Split it."
        )
    rows = tuple(_row(guest, one, call_timeout_s) for one in given)
    if len({row.name for row in rows}) != len(rows):
        raise Refused(f"The plugin {guest.id} defines a tool twice. Its author has to rename one.")
    return rows


def _row(guest: Guest, given: _Definition, call_timeout_s: float) -> ToolRow:
    name = tool_name(guest.id, given.name)
    if not _NAME.fullmatch(given.name) or len(name) > _MAX_NAME_CHARS:
        raise Refused(
            f"The plugin {guest.id} names a tool {said(given.name)!r}. Small letters, digits and "
            f"underscores are allowed, at most {_MAX_NAME_CHARS} with the plugin's id."
        )
    description = _CONTROL.sub(" ", given.description).strip()[:_MAX_DESCRIPTION_CHARS]
    if not description:
        raise Refused(f"The tool {name} has no description; a model would not know when to use it.")
    return ToolRow(
        name=name,
        description=description,
        params=dict[str, Any],
        risk=_RISKS[given.risk],
        handler=partial(_invoke, guest, given.name),
        is_core=False,
        timeout_s=2 * call_timeout_s + _MARGIN_S,
        spec=ToolSpec(name=name, description=description, parameters=_schema(name, given.schema)),
    )


def _schema(name: str, text: str) -> dict[str, Any]:
    """The schema of the parameters, which every vendor wants to be of an object.

    Raises:
        Refused: If it is something else, or too large to show to a model.
    """
    if len(text) > _MAX_SCHEMA_CHARS:
        raise Refused(f"The schema of the tool {name} is longer than {_MAX_SCHEMA_CHARS} letters.")
    try:
        schema = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"The schema of the tool {name} is no JSON object: {error}.") from None
    if schema.get("type") != "object" or not isinstance(schema.get("properties", {}), dict):
        raise Refused(f'The schema of the tool {name} is not of "type": "object".')
    return schema


async def _invoke(
    guest: Guest,
    tool: str,
    context: ToolContext,  # noqa: ARG001 - a plugin learns nothing of the conversation
    arguments: dict[str, Any],
) -> str:
    """Call it; whatever goes wrong is told to the model as a sentence."""
    parameters = msgspec.json.encode(arguments).decode()
    try:
        answer = await guest.call("tool", "invoke", tool, parameters)
    except GuestError as error:
        raise ToolTrouble(said(error.message) or said(error.code)) from error
    except GuestTrap as trap:
        raise ToolTrouble(
            f"The tool ended early ({trap.kind}). What it was asked may have been done in part: "
            "tell the user, and do not simply call it again."
        ) from trap
    except PluginUnavailable as error:
        raise ToolTrouble(f"The tool cannot be used now: {said(str(error))}") from error
    if not isinstance(answer, str):
        raise ToolTrouble("The tool's answer makes no sense.")
    return answer
