"""What `/hooks/wake` and `/hooks/agent` take, as values; pure.

The shapes and the texts of refusals are the Node gateway's; unknown fields are ignored, as there.
`name` is taken and not used: what the agent is told about a message's origin comes from the
configuration (advisory D17).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from carapace.agent.providers.ports import ThinkingLevel
from carapace.ids import RunId, new_id
from carapace.triggers.webhook_types import BadBody, RawRequest
from carapace.value import Value

__all__ = [
    "AgentHook",
    "WakeHook",
    "WakeMode",
    "agent_hook",
    "channel_of",
    "idempotency_key",
    "model_of",
    "run_id_of",
    "thinking_of",
    "wake_hook",
]

WakeMode = Literal["now", "next-heartbeat"]
_LAST: Final = "last"
_NAMESPACE: Final = uuid.UUID("5b0c6f0e-6f6b-5d8e-9a0e-0f4c7f1f2a31")
_MAX_KEY: Final = 256
_MAX_TIMEOUT_S: Final = 86_400


class WakeHook(Value, frozen=True, kw_only=True):
    """A text for the main session."""

    text: str
    mode: WakeMode = "now"


class AgentHook(Value, frozen=True, kw_only=True):
    """A message that an agent answers.

    Attributes:
        message: The text.
        agent_id: As given; judged later.
        session_key: As given; judged later.
        is_session_chosen: The request chose the session.
        is_agent_configured: The configuration chose the agent.
        name: Told to the agent; from the configuration only.
        deliver: Whether the answer goes to a channel.
        channel: Which; `last` is where the main session was last used.
        to: To whom there.
        model: As provider/name.
        thinking: A level.
        timeout_s: Longest time.
    """

    message: str
    agent_id: Any = None
    session_key: str | None = None
    is_session_chosen: bool = True
    is_agent_configured: bool = False
    name: str | None = None
    deliver: bool = True
    channel: str = _LAST
    to: str | None = None
    model: str | None = None
    thinking: ThinkingLevel | None = None
    timeout_s: float | None = None


def wake_hook(body: Mapping[str, Any]) -> WakeHook:
    """The body of `/hooks/wake`.

    Raises:
        BadBody: If there is no text.
    """
    text = _text(body.get("text"))
    if text is None:
        raise BadBody("text required")
    return WakeHook(
        text=text, mode="next-heartbeat" if body.get("mode") == "next-heartbeat" else "now"
    )


def agent_hook(body: Mapping[str, Any], channels: Sequence[str]) -> AgentHook:
    """The body of `/hooks/agent`.

    Args:
        body: An object.
        channels: Ids that `channel` may be, besides `last`.

    Raises:
        BadBody: If the message is missing, or a field makes no sense.
    """
    message = _text(body.get("message"))
    if message is None:
        raise BadBody("message required")
    session_key = body.get("sessionKey")
    if session_key is not None and not isinstance(session_key, str):
        raise BadBody("sessionKey must be a text")
    return AgentHook(
        message=message,
        agent_id=body.get("agentId"),
        session_key=_text(session_key),
        deliver=body.get("deliver") is not False,
        channel=channel_of(body.get("channel"), channels),
        to=_text(body.get("to")),
        model=model_of(body["model"]) if body.get("model") is not None else None,
        thinking=thinking_of(body.get("thinking")),
        timeout_s=_timeout(body.get("timeoutSeconds")),
    )


def channel_of(value: Any, channels: Sequence[str]) -> str:
    """A channel's id; `last` if none is named.

    Raises:
        BadBody: If there is no such channel.
    """
    if value is None:
        return _LAST
    wanted = value.strip().lower() if isinstance(value, str) else ""
    if wanted == _LAST or wanted in channels:
        return wanted
    raise BadBody(f"channel must be {'|'.join((_LAST, *channels))}")


def model_of(value: Any) -> str:
    """A model's name.

    Raises:
        BadBody: If it is blank or no text.
    """
    text = _text(value)
    if text is None:
        raise BadBody("model required")
    return text


def thinking_of(value: Any) -> ThinkingLevel | None:
    """A level; None if none is named.

    Raises:
        BadBody: If it names no level.
    """
    word = _text(value)
    if word is None:
        return None
    try:
        return ThinkingLevel(word.lower())
    except ValueError:
        known = "|".join(level.value for level in ThinkingLevel)
        raise BadBody(f"thinking must be {known}") from None


def idempotency_key(raw: RawRequest, body: Mapping[str, Any]) -> str | None:
    """What the sender calls this request, so that it can be sent again safely.

    The header `Idempotency-Key`, else `idempotencyKey` or `id` in the body.

    Raises:
        BadBody: If it is too long or no plain text.
    """
    key: Any = raw.header("idempotency-key")
    if key is None:
        key = body.get("idempotencyKey", body.get("id"))
    if key is None or key == "":
        return None
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str) or len(key) > _MAX_KEY or not key.isprintable():
        raise BadBody(f"the idempotency key must be a text of at most {_MAX_KEY} characters")
    return key


def run_id_of(path: str, key: str | None) -> RunId:
    """The run of a request: the same for the same key at the same path, else a fresh one.

    Made of a digest, so that a sender cannot name the run of anybody else (RFC 9562, section 5.5).
    """
    if key is None:
        return RunId(new_id())
    return RunId(str(uuid.uuid5(_NAMESPACE, f"{path}\0{key}")))


def _text(value: Any) -> str | None:
    """Trimmed; None for blank and for what is no text."""
    return (value.strip() or None) if isinstance(value, str) else None


def _timeout(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return float(min(int(value), _MAX_TIMEOUT_S)) or None
