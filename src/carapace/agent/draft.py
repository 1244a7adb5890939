"""What a turn has produced so far, ready to be written down at any moment.

A turn can end between any two pieces of an answer. The draft always knows which messages
are whole, which one is being said, and what the requests have cost, so that one transaction
can keep all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from carapace.agent.footer import REASONING_HEAD
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import ImagePart, ToolCall, Usage
from carapace.agent.tools.runner import ToolReport, arguments_of
from carapace.agent.usage import RunUsage
from carapace.protocol.agent import TokenUsage
from carapace.protocol.sessions import MessageCost, MessageUsage
from carapace.sessions.types import StoredMessage, UsageTotals

__all__ = ["Draft", "StoredStop", "token_usage", "total_tokens", "user_message"]

StoredStop = Literal["stop", "length", "toolUse", "error", "aborted", "filtered"]
_NO_USAGE: Final = Usage()


def total_tokens(usage: Usage) -> int:
    """All tokens of a request, cached ones included."""
    return usage.input + usage.output + usage.cache_read + usage.cache_write


def token_usage(usage: Usage) -> TokenUsage:
    """As `agent` answers it."""
    return TokenUsage(
        input=usage.input,
        output=usage.output,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        total=total_tokens(usage),
    )


def user_message(
    message_id: str, text: str, images: tuple[ImagePart, ...], now_ms: int
) -> StoredMessage:
    """A person's message as the transcript keeps it."""
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    content += [
        {"type": "image", "data": image.data, "mimeType": image.mime_type} for image in images
    ]
    return StoredMessage(message_id, "user", tuple(content), now_ms)


@dataclass(slots=True)
class Draft:
    """Everything a turn will leave behind.

    Attributes:
        run_id: Prefix of every message id, so that writing twice changes nothing.
        target: Who answered last, or was asked first.
        messages: Whole messages, in order.
        texts: What the assistant said, one entry a message.
        text: The message being said.
        thinking: What the model thought before it, where the session wants to see that.
        calls: Tools it asked for.
        usage: Of the request being answered.
        last_usage: Of the last request that was answered.
        used: Over all requests, summaries included.
        client_calls: Tools of the caller that it asked for; they end the turn.
    """

    run_id: str
    target: ModelTarget
    messages: list[StoredMessage] = field(default_factory=list[StoredMessage])
    texts: list[str] = field(default_factory=list[str])
    text: str = ""
    thinking: str = ""
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    usage: Usage = _NO_USAGE
    last_usage: Usage = _NO_USAGE
    used: RunUsage = field(default_factory=RunUsage)
    client_calls: tuple[ToolCall, ...] = ()

    @property
    def totals(self) -> UsageTotals:
        """What the session's sums grow by."""
        total = self.used.total
        return UsageTotals(
            input=total.input,
            output=total.output,
            cache_read=total.cache_read,
            cache_write=total.cache_write,
            cost_nano_usd=self.used.total_cost_nano_usd,
        )

    @property
    def last_has_text(self) -> bool:
        """Whether the newest whole message says something beside its tool calls."""
        return bool(self.messages) and bool(self.messages[-1].text)

    @property
    def is_blank(self) -> bool:
        """Whether the current message says nothing yet."""
        return not self.text and not self.calls

    def close_message(
        self, stop: StoredStop, now_ms: int, *, error: str | None = None
    ) -> tuple[ToolCall, ...]:
        """Make the current message whole; the tools it asked for."""
        content: list[dict[str, Any]] = []
        if self.thinking:
            content.append({"type": "thinking", "thinking": self.thinking})
            self.texts.append(REASONING_HEAD + self.thinking)
        if self.text:
            content.append({"type": "text", "text": self.text})
            self.texts.append(self.text)
        calls = tuple(self.calls)
        content += [
            {
                "type": "toolCall",
                "id": call.id,
                "name": call.name,
                "arguments": arguments_of(call),
            }
            for call in calls
        ]
        self.messages.append(
            StoredMessage(
                message_id=self._next_id(),
                role="assistant",
                content=tuple(content),
                timestamp_ms=now_ms,
                api=self.target.api,
                provider=self.target.provider_name,
                model=self.target.model_id,
                usage=self._message_usage(),
                stop_reason=stop,
                error_message=error,
            )
        )
        self._spend()
        self.text, self.thinking, self.calls = "", "", []
        return calls

    def add_note(self, text: str, now_ms: int) -> None:
        """Say something that no model wrote."""
        self.texts.append(text)
        self.messages.append(
            StoredMessage(
                message_id=self._next_id(),
                role="assistant",
                content=({"type": "text", "text": text},),
                timestamp_ms=now_ms,
                usage=MessageUsage(input=0, output=0, total_tokens=0),
                stop_reason="injected",
            )
        )

    def add_result(self, call: ToolCall, report: ToolReport, now_ms: int) -> None:
        """A tool answered."""
        self.messages.append(
            StoredMessage(
                message_id=self._next_id(),
                role="toolResult",
                content=({"type": "text", "text": report.text},),
                timestamp_ms=now_ms,
                tool_call_id=call.id,
                tool_name=call.name,
                is_error=report.is_error,
            )
        )

    def _next_id(self) -> str:
        return f"{self.run_id}/{len(self.messages) + 1}"

    def _message_usage(self) -> MessageUsage:
        usage, price = self.usage, self.target.pricing
        counts = {
            "input": usage.input,
            "output": usage.output,
            "cache_read": usage.cache_read,
            "cache_write": usage.cache_write,
        }
        dollars = {
            kind: count * (getattr(price, kind) if price else 0.0) / 1_000_000
            for kind, count in counts.items()
        }
        return MessageUsage(
            **counts,
            total_tokens=total_tokens(usage),
            cost=MessageCost(**dollars, total=sum(dollars.values())),
        )

    def _spend(self) -> None:
        if self.usage != _NO_USAGE:
            self.used.add(self.target, self.usage)
        self.last_usage, self.usage = self.usage, _NO_USAGE
