"""What the two chat endpoints have in common: a conversation, cut where the question begins.

A program sends its whole conversation each time. What follows the last answer is the question:
results of its own tools, then what the user says. What comes before is the past. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from carapace.agent.providers.ports import (
    ForcedCall,
    ImagePart,
    ModelMessage,
    TextPart,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey, new_id
from carapace.protocol.connect import BRANDS
from carapace.sessions.keys import agent_of
from carapace.value import Value

__all__ = [
    "MODEL_BRANDS",
    "Asked",
    "ClientTools",
    "branded",
    "calls_by_id",
    "choose_agent",
    "client_tools",
    "cut",
    "own_key",
    "session_for",
]

MODEL_BRANDS: Final = ("carapace", *BRANDS)
_AGENT_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_USER_CHARS: Final = re.compile(r"[^a-z0-9._@-]+")
_MAX_USER: Final = 128
_MAX_TOOLS: Final = 128
_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_MUST: Final = "Call at least one of these tools before you answer: {names}."


class Asked(Value, frozen=True):
    """A conversation, cut.

    Attributes:
        message: What the user says; blank if only results came.
        images: Pictures beside it.
        tool_results: Answers to the caller's tools.
        earlier: What was said before.
    """

    message: str
    images: tuple[ImagePart, ...]
    tool_results: tuple[ToolResult, ...]
    earlier: tuple[ModelMessage, ...]


class ClientTools(Value, frozen=True):
    """Tools of the caller, what the model is told about them besides, and whether it must call.

    Attributes:
        specs: What is offered.
        instruction: Maybe nothing. Says in words what `forced` asks: some servers take no other.
        forced: None leaves the model free.
    """

    specs: tuple[ToolSpec, ...] = ()
    instruction: str = ""
    forced: ForcedCall | None = None


def cut(said: Sequence[ModelMessage], *, field: str) -> Asked:
    """Past and question.

    Args:
        said: The conversation, oldest first; an answer at its end is a draft and is left out.
        field: Where it stood, for the refusal.

    Raises:
        Refused: If nothing is asked.
    """
    kept = list(said)
    while kept and kept[-1].role == "assistant":
        kept.pop()
    start = max((at for at, one in enumerate(kept, 1) if one.role == "assistant"), default=0)
    if not start:
        # Nobody has answered yet: the last message asks, the others were said before.
        start = max(0, len(kept) - 1)
    parts = [part for message in kept[start:] for part in message.parts]
    text = "\n\n".join(part.text for part in parts if isinstance(part, TextPart))
    images = tuple(part for part in parts if isinstance(part, ImagePart))
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    if not (text.strip() or images or results):
        raise Refused(f"Missing user message in `{field}`.")
    return Asked(text, images, results, _named(kept[:start]))


def _named(earlier: Sequence[ModelMessage]) -> tuple[ModelMessage, ...]:
    return tuple(message for message in earlier if message.parts)


def client_tools(tools: Sequence[Mapping[str, Any]], choice: object) -> ClientTools:
    """The caller's tools as a model is offered them.

    Both spellings count: `{type, function: {name, ...}}` and `{type, name, ...}`. A choice
    narrows what is offered: to nothing, or to the one tool that is named.

    Raises:
        Refused: If a tool makes no sense here, or the choice names none of them.
    """
    if len(tools) > _MAX_TOOLS:
        raise Refused(f"tools: at most {_MAX_TOOLS} tools can be sent with one request")
    specs = [_spec(tool, at) for at, tool in enumerate(tools)]
    if len({spec.name for spec in specs}) != len(specs):
        raise Refused("tools: two of them have the same name")
    if choice in (None, "auto"):
        return ClientTools(tuple(specs))
    if choice == "none":
        return ClientTools()
    wanted = None if choice == "required" else _chosen(choice)
    if wanted is not None:
        specs = [spec for spec in specs if spec.name == wanted]
        if not specs:
            raise Refused(f"tool_choice: {wanted!r} is not among the tools")
    if not specs:
        raise Refused("tool_choice: required needs tools")
    names = ", ".join(spec.name for spec in specs)
    return ClientTools(tuple(specs), _MUST.format(names=names), ForcedCall(wanted))


def _spec(tool: Mapping[str, Any], at: int) -> ToolSpec:
    kind = tool.get("type")
    if kind != "function":
        raise Refused(
            f"tools.{at}: only tools of type function can be sent; what the agent itself can do "
            "is set in the gateway's configuration"
        )
    inner = tool.get("function", tool)
    function = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    name = function.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise Refused(f"tools.{at}: a name of letters, digits, - and _ is needed, at most 64")
    parameters = function.get("parameters")
    description = function.get("description")
    return ToolSpec(
        name=name,
        description=description if isinstance(description, str) else "",
        parameters=_schema(parameters, at),
    )


def _schema(given: object, at: int) -> dict[str, Any]:
    if given is not None and not isinstance(given, dict):
        raise Refused(f"tools.{at}: parameters must be a JSON Schema object")
    schema = cast("dict[str, Any]", given or {})
    return schema if "type" in schema else {"type": "object", "properties": {}, **schema}


def _chosen(choice: object) -> str:
    if isinstance(choice, dict):
        table = cast("dict[str, Any]", choice)
        inner = table.get("function", table)
        name = cast("dict[str, Any]", inner).get("name") if isinstance(inner, dict) else None
        if table.get("type") == "function" and isinstance(name, str):
            return name[:100]
    raise Refused("tool_choice: use auto, none, required, or the name of a function")


def choose_agent(model: str, headers: Mapping[str, str], agent_ids: Sequence[str]) -> AgentId:
    """Who answers: the header's word, then the model's name if it is one of ours.

    Raises:
        Refused: If there is no such agent.
    """
    wanted = branded(headers, "agent-id")
    if wanted is None:
        brand, _, name = model.replace("/", ":", 1).partition(":")
        # Programs insist on sending some model's name; only ours picks an agent.
        wanted = name if brand.lower() in MODEL_BRANDS and name else None
    if wanted is None:
        return AgentId(agent_ids[0])
    wanted = wanted.strip().lower()
    if not _AGENT_ID.fullmatch(wanted) or wanted not in agent_ids:
        known = ", ".join(agent_ids[:20])
        raise Refused(f"there is no agent {wanted[:64]!r}: use one of {known}")
    return AgentId(wanted)


def session_for(
    headers: Mapping[str, str],
    agent_id: AgentId,
    user: str | None,
    *,
    kind: str,
    to_key: Callable[[str], SessionKey],
    agent_ids: Sequence[str],
) -> tuple[AgentId, SessionKey]:
    """Which session a request is for, and whose that is: a key may name another agent.

    Args:
        headers: `x-<brand>-session-key` names one.
        agent_id: Who answers, unless the key says otherwise.
        user: Names one that lasts.
        kind: The endpoint's word in keys.
        to_key: A session's key as it is stored.
        agent_ids: Known agents.

    Raises:
        Refused: If the key is broken, or of an agent that is not there.
    """
    named = branded(headers, "session-key") or own_key(agent_id, user, kind)
    if not named.lower().startswith("agent:"):
        named = f"agent:{agent_id}:{named}"
    key = to_key(named)
    owner = agent_of(key, default=agent_id)
    if owner not in agent_ids:
        raise Refused(f"there is no agent {owner[:64]!r}: the session key names one")
    return owner, key


def own_key(agent_id: AgentId, user: str | None, kind: str) -> str:
    """The session of a user who has a name, else a new one; `kind` is the endpoint's word."""
    name = _USER_CHARS.sub("-", (user or "").strip().lower())[:_MAX_USER].strip("-")
    return f"agent:{agent_id}:{kind}-user:{name}" if name else f"agent:{agent_id}:{kind}:{new_id()}"


def branded(headers: Mapping[str, str], name: str) -> str | None:
    """The header `x-<brand>-<name>` of any brand."""
    for brand in MODEL_BRANDS:
        value = headers.get(f"x-{brand}-{name}", "").strip()
        if value:
            return value
    return None


def calls_by_id(said: Sequence[ModelMessage]) -> dict[str, str]:
    """Names of the tools that were called, by the id of the call."""
    return {
        part.id: part.name
        for message in said
        for part in message.parts
        if isinstance(part, ToolCall)
    }
