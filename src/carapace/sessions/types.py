"""What the sessions room hands out and takes in."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from carapace.config.settings.session import SendPolicySettings
from carapace.ids import AgentId, SessionKey
from carapace.protocol.sessions import (
    DeliveryContext,
    MessageUsage,
    SessionOrigin,
    TranscriptMessage,
)
from carapace.value import Value

__all__ = [
    "NO_USAGE",
    "ModelRef",
    "Role",
    "Route",
    "SessionEntry",
    "SessionPolicy",
    "StoredMessage",
    "Touch",
    "UsageTotals",
]

Role = Literal["user", "assistant", "toolResult", "system"]
"""`system` is a summary that stands for archived messages."""


class StoredMessage(Value, frozen=True):
    """One message of a transcript.

    Attributes:
        message_id: Unique within its transcript; appending the same one again does nothing.
        role: Who speaks.
        content: Parts in the Node gateway's shape: `{"type": "text", "text": ...}`,
            `{"type": "image", "data": base64, "mimeType": ...}`,
            `{"type": "thinking", "thinking": ...}`,
            `{"type": "toolCall", "id": ..., "name": ..., "arguments": {...}}`.
        timestamp_ms: When it was said.
        api: Kind of provider protocol, `openai-completions` and the like.
        provider: Configured name of the provider.
        model: The model's id.
        usage: Tokens of the request that made it.
        stop_reason: `stop`, `length`, `toolUse`, `error`, `aborted`, `injected`.
        error_message: What went wrong, with `stop_reason` `error`.
        tool_call_id: Which call a tool result answers.
        tool_name: Which tool a tool result is from.
        details: JSON-ready facts of a tool result for programs.
        is_error: Whether a tool failed.
    """

    message_id: str
    role: Role
    content: tuple[dict[str, Any], ...]
    timestamp_ms: int
    api: str | None = None
    provider: str | None = None
    model: str | None = None
    usage: MessageUsage | None = None
    stop_reason: str | None = None
    error_message: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    details: Any = None
    is_error: bool | None = None

    @property
    def text(self) -> str:
        """All text parts, joined by line ends."""
        return "\n".join(
            part["text"]
            for part in self.content
            if part.get("type") == "text" and isinstance(part.get("text"), str)
        )

    def encode(self) -> bytes:
        """The JSON that is stored and that `chat.history` shows."""
        return _ENCODE(
            TranscriptMessage(
                role=self.role,
                tool_call_id=self.tool_call_id,
                tool_name=self.tool_name,
                content=list(self.content),
                details=self.details,
                is_error=self.is_error,
                api=self.api,
                provider=self.provider,
                model=self.model,
                usage=self.usage,
                stop_reason=self.stop_reason,
                timestamp=self.timestamp_ms,
                error_message=self.error_message,
            )
        )

    @classmethod
    def decode(cls, message_id: str, body: str | bytes) -> StoredMessage:
        """The inverse of `encode`."""
        found = _DECODER.decode(body)
        return cls(
            message_id=message_id,
            role=found.role,
            content=tuple(found.content),
            timestamp_ms=found.timestamp,
            api=found.api,
            provider=found.provider,
            model=found.model,
            usage=found.usage,
            stop_reason=found.stop_reason,
            error_message=found.error_message,
            tool_call_id=found.tool_call_id,
            tool_name=found.tool_name,
            details=found.details,
            is_error=found.is_error,
        )


_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(TranscriptMessage)


class UsageTotals(Value, frozen=True):
    """Tokens and cost, added up. The cost is in billionths of a US dollar, a whole number."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cost_nano_usd: int = 0

    @property
    def total(self) -> int:
        """All tokens."""
        return self.input + self.output + self.cache_read + self.cache_write


NO_USAGE: Final = UsageTotals()


class SessionEntry(Value, frozen=True):
    """One session: its key, settings and what its last run left.

    `input_tokens`, `output_tokens` and `total_tokens` are those of the last run (total: how
    full the context was); `used` is the sum over the session's life. Levels and overrides
    are None where the defaults count.
    """

    key: SessionKey
    session_id: str
    agent_id: AgentId
    created_at_ms: int
    updated_at_ms: int
    label: str | None = None
    display_name: str | None = None
    subject: str | None = None
    chat_type: str | None = None
    spawned_by: str | None = None
    origin: SessionOrigin | None = None
    delivery: DeliveryContext | None = None
    last_channel: str | None = None
    last_to: str | None = None
    last_account_id: str | None = None
    thinking_level: str | None = None
    verbose_level: str | None = None
    reasoning_level: str | None = None
    elevated_level: str | None = None
    response_usage: str | None = None
    exec_host: str | None = None
    exec_security: str | None = None
    exec_ask: str | None = None
    exec_node: str | None = None
    send_policy: str | None = None
    group_activation: str | None = None
    provider_override: str | None = None
    model_override: str | None = None
    model_provider: str | None = None
    model: str | None = None
    context_tokens: int | None = None
    system_sent: bool | None = None
    aborted_last_run: bool = False
    compaction_count: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    used: UsageTotals = msgspec.field(default_factory=UsageTotals)


class Touch(Value, frozen=True):
    """What a run leaves on its session; None leaves what is there."""

    model_provider: str | None = None
    model: str | None = None
    context_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    system_sent: bool | None = None
    aborted_last_run: bool | None = None


class Route(Value, frozen=True):
    """Where a message came from and where its answer goes; None leaves what is there."""

    origin: SessionOrigin | None = None
    delivery: DeliveryContext | None = None
    chat_type: str | None = None
    display_name: str | None = None
    subject: str | None = None
    last_channel: str | None = None
    last_to: str | None = None
    last_account_id: str | None = None


class ModelRef(Value, frozen=True):
    """A model by provider and id."""

    provider: str
    model: str


class SessionPolicy(Value, frozen=True):
    """What sessions take from the configuration, as it is now.

    Attributes:
        agent_id: The default agent.
        main_key: `session.mainKey`.
        one_for_all: Whether `session.scope` is `global`.
        model: The default model, None if none is configured.
        context_tokens: Size of its context.
        thinking_level: What a session without its own level uses.
        send_policy: `session.sendPolicy`.
    """

    agent_id: str = "main"
    main_key: str = "main"
    one_for_all: bool = False
    model: ModelRef | None = None
    context_tokens: int | None = None
    thinking_level: str = "off"
    send_policy: SendPolicySettings = msgspec.field(default_factory=SendPolicySettings)
