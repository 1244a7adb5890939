"""The shapes of `/v1/chat/completions` and `/v1/models`, and what a request means for a turn.

Pure: a decoded body and headers in, a plan out; an outcome in, a body out. Programs written
for other servers send many fields that mean nothing here; they are ignored, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from carapace.agent.types import RunOutcome
from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey, new_id
from carapace.protocol.agent import TokenUsage
from carapace.protocol.connect import BRANDS
from carapace.sessions.keys import canonical

__all__ = [
    "ChatPlan",
    "ChatRequest",
    "Completion",
    "chunk",
    "completion",
    "decode_request",
    "model_list",
    "plan_chat",
    "usage_chunk",
]

_BRANDS: Final = ("carapace", *BRANDS)
_AGENT_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_USER_CHARS: Final = re.compile(r"[^a-z0-9._@-]+")
_MAX_USER: Final = 128
_ZERO: Final = TokenUsage(input=0, output=0, cache_read=0, cache_write=0, total=0)


class ChatMessage(msgspec.Struct):
    """One message; `content` is text, or a list of parts of which text parts count."""

    role: str = ""
    content: Any = None


class StreamOptions(msgspec.Struct):
    """Options of a stream."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct):
    """Body of POST /v1/chat/completions."""

    messages: list[ChatMessage] = []
    model: str = "carapace"
    stream: bool | None = False
    user: str | None = None
    stream_options: StreamOptions | None = None


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """What the agent is asked.

    Attributes:
        agent_id: Who answers.
        session_key: In which conversation.
        message: The text, with what was said before it in front.
        system_prompt: Texts of the system and developer messages.
    """

    agent_id: AgentId
    session_key: SessionKey
    message: str
    system_prompt: str | None


@dataclass(frozen=True, slots=True)
class Completion:
    """What all parts of one answer share."""

    id: str
    model: str
    created: int


_DECODER: Final = msgspec.json.Decoder(ChatRequest)


def decode_request(body: bytes) -> ChatRequest:
    """The body.

    Raises:
        Refused: It is not JSON, or a field is of the wrong type.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is not a chat request: {error}") from None


def plan_chat(
    request: ChatRequest, headers: Mapping[str, str], agent_ids: Sequence[str]
) -> ChatPlan:
    """What `request` asks of whom.

    Args:
        request: The body.
        headers: Of the HTTP request; `x-<brand>-agent-id` and `x-<brand>-session-key` count.
        agent_ids: Known agents, the default one first.

    Raises:
        Refused: No user message, an unknown agent, or a bad session key.
    """
    said = [(message.role, _text(message.content)) for message in request.messages]
    message = _prompt([(role, text) for role, text in said if role in ("user", "assistant")])
    agent_id = _agent(request.model, headers, agent_ids)
    system = "\n\n".join(text for role, text in said if role in ("system", "developer") and text)
    key = _branded(headers, "session-key") or _own_key(agent_id, request.user)
    return ChatPlan(agent_id, canonical(key, agent_id=agent_id), message, system or None)


def completion(head: Completion, outcome: RunOutcome) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    return {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text_of(outcome)},
                "finish_reason": "stop",
            }
        ],
        "usage": _usage(outcome),
    }


def chunk(
    head: Completion, delta: dict[str, str], finish_reason: str | None = None
) -> dict[str, object]:
    """One part of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
        "choices": [choice],
    }


def usage_chunk(head: Completion, outcome: RunOutcome) -> dict[str, object]:
    """The last part of a stream that asked for usage."""
    return {**chunk(head, {}), "choices": [], "usage": _usage(outcome)}


def model_list(agent_ids: Sequence[str], created: int) -> dict[str, object]:
    """Body of GET /v1/models: each agent is a model."""
    names = ["carapace", *(f"carapace:{agent_id}" for agent_id in agent_ids)]
    rows = [
        {"id": name, "object": "model", "created": created, "owned_by": "carapace"}
        for name in names
    ]
    return {"object": "list", "data": rows}


def text_of(outcome: RunOutcome) -> str:
    """The whole answer as text."""
    if outcome.result is None:
        return ""
    return "\n\n".join(payload.text for payload in outcome.result.payloads if payload.text)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts: list[Any] = content  # pyright: ignore[reportUnknownVariableType] - JSON
    texts: list[str] = []
    for part in parts:
        text: Any = cast("dict[str, Any]", part).get("text") if isinstance(part, dict) else None
        if isinstance(text, str):
            texts.append(text)
    return "\n".join(texts)


def _prompt(said: list[tuple[str, str]]) -> str:
    """The last user message, with what was said before it quoted in front."""
    users = [number for number, (role, _) in enumerate(said) if role == "user"]
    if not users or not said[users[-1]][1].strip():
        raise Refused("Missing user message in `messages`.")
    last = users[-1]
    earlier = [(role, text) for role, text in said[:last] if text]
    if not earlier:
        return said[last][1]
    quoted = "\n".join(f"{role.capitalize()}: {text}" for role, text in earlier)
    return f"[Earlier in this conversation]\n{quoted}\n\n[Answer this message]\n{said[last][1]}"


def _agent(model: str, headers: Mapping[str, str], agent_ids: Sequence[str]) -> AgentId:
    wanted = _branded(headers, "agent-id")
    if wanted is None:
        brand, _, name = model.replace("/", ":", 1).partition(":")
        # Programs insist on sending some model's name; only ours picks an agent.
        wanted = name if brand.lower() in _BRANDS and name else None
    if wanted is None:
        return AgentId(agent_ids[0])
    wanted = wanted.strip().lower()
    if not _AGENT_ID.fullmatch(wanted) or wanted not in agent_ids:
        known = ", ".join(agent_ids[:20])
        raise Refused(f"there is no agent {wanted[:64]!r}: use one of {known}")
    return AgentId(wanted)


def _own_key(agent_id: AgentId, user: str | None) -> str:
    name = _USER_CHARS.sub("-", (user or "").strip().lower())[:_MAX_USER].strip("-")
    return f"agent:{agent_id}:openai-user:{name}" if name else f"agent:{agent_id}:openai:{new_id()}"


def _branded(headers: Mapping[str, str], name: str) -> str | None:
    for brand in _BRANDS:
        value = headers.get(f"x-{brand}-{name}", "").strip()
        if value:
            return value
    return None


def _usage(outcome: RunOutcome) -> dict[str, int]:
    used = outcome.result.meta.agent_meta.usage if outcome.result else _ZERO
    prompt = used.input + used.cache_read + used.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": used.output,
        "total_tokens": prompt + used.output,
    }
