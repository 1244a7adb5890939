"""Every hook point: when it is called, what a handler sees, what it may change.

A handler gets a frozen value. Where the point may be modified it returns the value with
other contents in the fields named here; everything else, whose words these are above all, is
fixed (advisory group J). Texts have bounds, so that a handler cannot flood a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

from carapace.provenance import Provenance

__all__ = [
    "AFTER_TOOL_CALL",
    "BEFORE_AGENT_START",
    "BEFORE_TOOL_CALL",
    "GATEWAY_START",
    "GATEWAY_STOP",
    "MESSAGE_RECEIVED",
    "MESSAGE_SENDING",
    "MESSAGE_SENT",
    "POINTS",
    "SESSION_END",
    "SESSION_START",
    "TOOL_RESULT_PERSIST",
    "AfterToolCall",
    "BeforeAgentStart",
    "BeforeToolCall",
    "GatewayStart",
    "GatewayStop",
    "HookPoint",
    "MessageReceived",
    "MessageSending",
    "MessageSent",
    "Payload",
    "SessionEnd",
    "SessionStart",
    "ToolResultPersist",
]

_MAX_PROMPT_CHARS: Final = 8_000
_MAX_REASON_CHARS: Final = 500
_Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_REASON_CHARS)]


class Payload(msgspec.Struct, frozen=True, rename="camel"):
    """What a handler sees; written as JSON where it runs in a process of its own."""


P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True, eq=False)
class HookPoint(Generic[P]):
    """One moment that handlers can attach to.

    Attributes:
        name: As in documents and logs.
        payload: The struct a handler gets.
        meaning: When it is called; becomes the table in `docs/explain/hooks.md`.
        changes: Fields a handler may change, by their Python names; none if it only watches.
        veto: The one of them that, once set, ends the chain and stops what was to happen.
    """

    name: str
    payload: type[P]
    meaning: str
    changes: frozenset[str] = frozenset()
    veto: str | None = None

    @property
    def is_modifiable(self) -> bool:
        """Whether the gateway waits for the handlers and takes what they changed."""
        return bool(self.changes)


class BeforeAgentStart(Payload, frozen=True):
    """A turn is about to ask its model.

    Attributes:
        run_id: Of the turn.
        session_key: Of its session.
        agent_id: Who answers.
        message: What was asked.
        provenance: Whose words that is.
        prompt_addition: Put behind the stable part of the system prompt.
    """

    run_id: str
    session_key: str
    agent_id: str
    message: str
    provenance: Provenance
    prompt_addition: Annotated[str, msgspec.Meta(max_length=_MAX_PROMPT_CHARS)] = ""


class BeforeToolCall(Payload, frozen=True):
    """A model asked for a tool; policy and approval come after this, on what it became.

    Attributes:
        run_id: Of the turn.
        session_key: Of its session.
        agent_id: Whose turn.
        provenance: Whose words started the turn.
        tool: Its name.
        arguments: JSON text as the model wrote it, maybe broken.
        blocked: Why the tool must not run; the model is told.
    """

    run_id: str
    session_key: str
    agent_id: str
    provenance: Provenance
    tool: str
    arguments: str
    blocked: _Reason | None = None


class AfterToolCall(Payload, frozen=True):
    """A tool was called and has ended, or was not permitted.

    Attributes:
        run_id: Of the turn.
        session_key: Of its session.
        agent_id: Whose turn.
        provenance: Whose words started the turn.
        tool: Its name.
        arguments: JSON text it was called with.
        text: What the model was told.
        is_error: Whether that is bad news.
        duration_ms: From the request to the answer.
    """

    run_id: str
    session_key: str
    agent_id: str
    provenance: Provenance
    tool: str
    arguments: str
    text: str
    is_error: bool
    duration_ms: int


class ToolResultPersist(Payload, frozen=True):
    """A tool's result goes into the transcript; the model of this turn has seen it as it was.

    Attributes:
        run_id: Of the turn.
        session_key: Of its session.
        agent_id: Whose turn.
        tool: Its name.
        tool_call_id: Which call it answers.
        is_error: Whether it is bad news.
        text: What is kept.
    """

    run_id: str
    session_key: str
    agent_id: str
    tool: str
    tool_call_id: str
    is_error: bool
    text: str


class MessageReceived(Payload, frozen=True):
    """A message from a chat service was accepted by the policy.

    Attributes:
        channel: The chat service.
        account: Which of our accounts there.
        conversation: The platform's id of where.
        message_id: The platform's id of the message.
        sender_id: The platform's id of who wrote it.
        text: As written.
        n_media: Files that came with it.
        provenance: What it may cause.
    """

    channel: str
    account: str
    conversation: str
    message_id: str
    sender_id: str
    text: str
    n_media: int
    provenance: Provenance


class MessageSending(Payload, frozen=True):
    """A message is about to be handed to a chat service.

    Attributes:
        channel: The chat service.
        account: Which of our accounts there.
        conversation: The platform's id of where to.
        text: What is sent.
        attempt: 1 for the first.
        cancelled: Why it must not be sent; its row is marked dead with this reason.
    """

    channel: str
    account: str
    conversation: str
    text: str
    attempt: int
    cancelled: _Reason | None = None


class MessageSent(Payload, frozen=True):
    """A message has left, or never will.

    Attributes:
        channel: The chat service.
        account: Which of our accounts there.
        conversation: The platform's id of where to.
        text: What was sent.
        is_delivered: Whether the service has it.
        message_id: The platform's id of it, if it told.
        reason: Why not, where it was not delivered.
    """

    channel: str
    account: str
    conversation: str
    text: str
    is_delivered: bool
    message_id: str | None = None
    reason: str | None = None


class SessionStart(Payload, frozen=True):
    """The first message of a transcript is on disk.

    Attributes:
        session_key: Its name.
        session_id: Of the transcript.
        agent_id: Whose session.
    """

    session_key: str
    session_id: str
    agent_id: str


class SessionEnd(Payload, frozen=True):
    """A transcript ended; it is kept and no longer added to.

    Attributes:
        session_key: Its session's name.
        session_id: Of the transcript.
        agent_id: Whose session.
        reason: `reset` or `delete`.
    """

    session_key: str
    session_id: str
    agent_id: str
    reason: str


class GatewayStart(Payload, frozen=True):
    """The gateway listens.

    Attributes:
        version: Its own.
        port: Where.
    """

    version: str
    port: int


class GatewayStop(Payload, frozen=True):
    """The gateway stops; watchers are heard out before it ends, within their deadline.

    Attributes:
        reason: A word for programs.
    """

    reason: str


BEFORE_AGENT_START: Final = HookPoint(
    "before_agent_start",
    BeforeAgentStart,
    "A turn has its lane and is about to ask its model.",
    changes=frozenset({"prompt_addition"}),
)
MESSAGE_RECEIVED: Final = HookPoint(
    "message_received", MessageReceived, "The policy accepted a message from a chat service."
)
MESSAGE_SENDING: Final = HookPoint(
    "message_sending",
    MessageSending,
    "A message is about to be handed to a chat service.",
    changes=frozenset({"text", "cancelled"}),
    veto="cancelled",
)
MESSAGE_SENT: Final = HookPoint(
    "message_sent", MessageSent, "A chat service has a message, or will never take it."
)
BEFORE_TOOL_CALL: Final = HookPoint(
    "before_tool_call",
    BeforeToolCall,
    "A model asked for a tool; policy and approval see what the handlers made of it.",
    changes=frozenset({"arguments", "blocked"}),
    veto="blocked",
)
AFTER_TOOL_CALL: Final = HookPoint(
    "after_tool_call", AfterToolCall, "A tool ended, failed or was not permitted."
)
TOOL_RESULT_PERSIST: Final = HookPoint(
    "tool_result_persist",
    ToolResultPersist,
    "A tool's result is about to be kept in the transcript.",
    changes=frozenset({"text"}),
)
SESSION_START: Final = HookPoint(
    "session_start", SessionStart, "The first message of a transcript is on disk."
)
SESSION_END: Final = HookPoint("session_end", SessionEnd, "A session was reset or deleted.")
GATEWAY_START: Final = HookPoint("gateway_start", GatewayStart, "The gateway listens.")
GATEWAY_STOP: Final = HookPoint("gateway_stop", GatewayStop, "The gateway is about to stop.")

POINTS: Final[Mapping[str, HookPoint[Any]]] = {
    point.name: point
    for point in (
        BEFORE_AGENT_START,
        MESSAGE_RECEIVED,
        MESSAGE_SENDING,
        MESSAGE_SENT,
        BEFORE_TOOL_CALL,
        AFTER_TOOL_CALL,
        TOOL_RESULT_PERSIST,
        SESSION_START,
        SESSION_END,
        GATEWAY_START,
        GATEWAY_STOP,
    )
}
"""All of them, by name."""
