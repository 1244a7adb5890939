"""What a turn asks of a language model, and what it hears back.

A provider turns one `ModelRequest` into a stream of events that ends with `Stop` (or raises
`ProviderError`). It never retries, never runs a tool, never keeps state between requests:
the turn decides all of that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Literal, Protocol, runtime_checkable

import msgspec

__all__ = [
    "EmbedRequest",
    "Embedded",
    "Embeds",
    "ForcedCall",
    "ImagePart",
    "ModelEvent",
    "ModelMessage",
    "ModelRequest",
    "Provider",
    "ProviderError",
    "ProviderFault",
    "Stop",
    "TextDelta",
    "TextPart",
    "ThinkingDelta",
    "ThinkingLevel",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
    "Usage",
]

_CHARS_PER_TOKEN: Final = 4
_IMAGE_TOKENS: Final = 1_000
_MESSAGE_TOKENS: Final = 4


class ThinkingLevel(StrEnum):
    """How long a model may think before it speaks."""

    OFF = "off"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """Plain text of a message."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """A picture: its MIME type and base64 text."""

    mime_type: str
    data: str


class ToolCall(msgspec.Struct, frozen=True, tag="toolCall"):
    """The model asks for a tool; `arguments` is JSON text as the model wrote it, maybe broken."""

    id: str
    name: str
    arguments: str


class ToolResult(msgspec.Struct, frozen=True, tag="toolResult"):
    """What a tool answered to the call `call_id`."""

    call_id: str
    name: str
    text: str
    is_error: bool = False


class ModelMessage(msgspec.Struct, frozen=True, dict=True):
    """One message of the conversation; a `tool` message holds `ToolResult`s only.

    Every turn asks the same of every message before it, so what follows from one is worked
    out once.
    """

    role: Literal["user", "assistant", "tool"]
    parts: tuple[TextPart | ImagePart | ToolCall | ToolResult, ...]

    @cached_property
    def tokens(self) -> int:
        """About how many tokens it takes: four characters each, pictures a flat thousand."""
        return _MESSAGE_TOKENS + sum(map(_tokens_of, self.parts))

    @cached_property
    def has_images(self) -> bool:
        """Whether a picture is among its parts."""
        return any(isinstance(part, ImagePart) for part in self.parts)


def _tokens_of(part: TextPart | ImagePart | ToolCall | ToolResult) -> int:
    if isinstance(part, ImagePart):
        return _IMAGE_TOKENS
    if isinstance(part, ToolCall):
        return (len(part.name) + len(part.arguments)) // _CHARS_PER_TOKEN
    return len(part.text) // _CHARS_PER_TOKEN


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as a model sees it; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ForcedCall(msgspec.Struct, frozen=True):
    """The answer must be a call: of the tool `name`, or of any that is offered if None."""

    name: str | None = None


class ModelRequest(msgspec.Struct, frozen=True):
    """One request to a model.

    Attributes:
        model: The vendor's model id, without the provider's name.
        system: The system prompt, stable across turns for prefix caches.
        messages: Oldest first, ends with a user or tool message.
        tools: May be empty.
        thinking: Mapped by each provider to what its models know.
        max_tokens: Upper bound of the answer; None is the vendor's default.
        timeout_s: Longest silence between two events.
        forced_call: None leaves the model free; else `tools` holds what it names. A server that
            does not know forced calls may answer in words all the same.
    """

    model: str
    system: str
    messages: tuple[ModelMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    thinking: ThinkingLevel = ThinkingLevel.OFF
    max_tokens: int | None = None
    timeout_s: float = 120.0
    forced_call: ForcedCall | None = None


class TextDelta(msgspec.Struct, frozen=True):
    """More of the answer."""

    text: str


class ThinkingDelta(msgspec.Struct, frozen=True):
    """More of the reasoning; never shown as answer."""

    text: str


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one request; `input` does not count what came from or went to a cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


class Stop(msgspec.Struct, frozen=True):
    """The last event: why the model stopped."""

    reason: Literal["stop", "length", "tool_calls", "filtered"]


ModelEvent = TextDelta | ThinkingDelta | ToolCall | Usage | Stop


class ProviderFault(StrEnum):
    """Whose fault a failed request is, which decides what may be tried next."""

    AUTH = "auth"  # key missing, wrong or out of money: fall back, tell the operator
    RATE_LIMIT = "rate_limit"  # fall back; `retry_after_s` says when to come back
    OVERLOADED = "overloaded"  # 5xx: fall back
    UNREACHABLE = "unreachable"  # no connection or no answer in time: fall back
    BAD_REQUEST = "bad_request"  # 4xx: another provider may still take it
    CONTEXT = "context"  # too long for the model: compact, then try again
    BROKEN = "broken"  # the answer made no sense


class ProviderError(Exception):
    """A model request failed.

    Attributes:
        fault: What kind of failure.
        status: HTTP status, if there was one.
        message: For people, without secrets; `HTTP 400: text` where there was a status.
        retry_after_s: What the server asked for.
    """

    def __init__(
        self,
        fault: ProviderFault,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s


class Provider(Protocol):
    """One configured source of models."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Events of one answer, ended by `Stop`. Closing the generator cancels the request.

        Raises:
            ProviderError: At any point of the iteration.
        """
        ...

    async def aclose(self) -> None:
        """Let connections and child processes go."""
        ...


class EmbedRequest(msgspec.Struct, frozen=True):
    """Texts that vectors are wanted of.

    Attributes:
        model: The vendor's model id, without the provider's name.
        texts: At least one, none of them blank.
        dimensions: How many numbers a vector shall have; None is the model's own number.
        timeout_s: Bound of the whole answer.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    timeout_s: float = 60.0


class Embedded(msgspec.Struct, frozen=True):
    """One vector for each text, in order.

    Attributes:
        model: Who made them, as `provider/model`.
        vectors: All of the same length.
        tokens: What was read; estimated where the model does not count.
    """

    model: str
    vectors: tuple[tuple[float, ...], ...]
    tokens: int


@runtime_checkable
class Embeds(Protocol):
    """A source of models that also turns texts into vectors."""

    async def embed(self, request: EmbedRequest) -> Embedded:
        """The vectors; `Embedded.model` is the vendor's word.

        Raises:
            ProviderError: If there are none.
        """
        ...
