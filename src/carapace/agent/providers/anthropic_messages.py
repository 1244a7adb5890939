"""The messages format of Anthropic: a request's body and the machine that reads its stream.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from carapace.agent.providers.faults import error_from_event
from carapace.agent.providers.ports import (
    ImagePart,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    Stop,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingLevel,
    ToolCall,
    ToolResult,
    Usage,
)
from carapace.agent.providers.spec import ModelSpec
from carapace.agent.providers.sse import SseEvent
from carapace.agent.providers.streaming import broken
from carapace.agent.providers.tool_calls import ToolCallPieces, arguments_object

__all__ = ["MessagesDecoder", "messages_body"]


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(msgspec.Struct):
    usage: _Usage | None = None


class _Fault(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    usage: _Usage | None = None
    error: _Fault | None = None


_EVENT = msgspec.json.Decoder(_Event)
_STOPS: dict[str, Literal["stop", "length", "tool_calls", "filtered"]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "filtered",
}
_BUDGET_TOKENS = {
    ThinkingLevel.MINIMAL: 1_024,
    ThinkingLevel.LOW: 4_096,
    ThinkingLevel.MEDIUM: 10_240,
    ThinkingLevel.HIGH: 24_576,
    ThinkingLevel.XHIGH: 32_768,
}
_EFFORT = {
    ThinkingLevel.MINIMAL: "low",
    ThinkingLevel.LOW: "low",
    ThinkingLevel.MEDIUM: "medium",
    ThinkingLevel.HIGH: "high",
    ThinkingLevel.XHIGH: "xhigh",
}
# Claude up to 4.5 takes a number of tokens; later models decide by themselves, given an effort.
_TAKES_BUDGET = re.compile(r"^claude-(3|(opus|sonnet|haiku)-4(-[015])?(-\d{8})?$)")
_DEFAULT_MAX_TOKENS = 8_192
_LEAST_TOKENS = 1_024
_CACHE = {"type": "ephemeral"}


class MessagesDecoder:
    """Reads the stream of one message."""

    __slots__ = ("_calls", "_secrets", "_stop", "_usage", "is_done")

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.is_done = False
        self._calls = ToolCallPieces()
        self._stop: str | None = None
        self._usage = _Usage()
        self._secrets = secrets

    def event(self, event: SseEvent) -> Iterable[ModelEvent]:
        """The events of one typed event; unknown types mean nothing."""
        said = _EVENT.decode(event.data)
        match said.type:
            case "content_block_delta" if said.delta is not None:
                yield from self._delta(said.index, said.delta)
            case "content_block_start" if said.content_block is not None:
                yield from self._block(said.index, said.content_block)
            case "message_start" if said.message is not None:
                self._count(said.message.usage)
            case "message_delta":
                self._count(said.usage)
                self._stop = (said.delta and said.delta.stop_reason) or self._stop
            case "message_stop":
                self.is_done = True
            case "error":
                fault = said.error or _Fault()
                raise error_from_event(fault.type, fault.message, secrets=self._secrets)
            case _:
                pass

    def _block(self, index: int, block: _Block) -> Iterable[ModelEvent]:
        if block.type == "tool_use":
            self._calls.add(index, call_id=block.id, name=block.name)
        elif block.type == "text" and block.text:
            yield TextDelta(block.text)

    def _delta(self, index: int, delta: _Delta) -> Iterable[ModelEvent]:
        if delta.type == "text_delta" and delta.text:
            yield TextDelta(delta.text)
        elif delta.type == "thinking_delta" and delta.thinking:
            yield ThinkingDelta(delta.thinking)
        elif delta.type == "input_json_delta":
            self._calls.add(index, arguments=delta.partial_json)

    def _count(self, usage: _Usage | None) -> None:
        """Later counts replace earlier ones: they are totals, not increments."""
        for name in _Usage.__struct_fields__ if usage is not None else ():
            value: int | None = getattr(usage, name)
            if value is not None:
                setattr(self._usage, name, value)

    def finish(self) -> Iterable[ModelEvent]:
        """Tool calls, usage and the stop."""
        if self._stop is None:
            raise broken("it ended before the model said why it stopped")
        yield from self._calls.whole()
        usage = self._usage
        yield Usage(
            input=usage.input_tokens or 0,
            output=usage.output_tokens or 0,
            cache_read=usage.cache_read_input_tokens or 0,
            cache_write=usage.cache_creation_input_tokens or 0,
        )
        yield Stop("tool_calls" if len(self._calls) else _STOPS.get(self._stop, "stop"))


def messages_body(request: ModelRequest, model: ModelSpec) -> dict[str, Any]:
    """The JSON body of a streaming request.

    The system prompt and the newest message end with a cache mark, so that the next request
    of the conversation pays a tenth for what both share.
    """
    messages = [row for message in request.messages if (row := _message(message))["content"]]
    if messages:
        messages[-1]["content"][-1] |= {"cache_control": _CACHE}
    body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": True}
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, "cache_control": _CACHE}]
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
    if (forced := request.forced_call) is not None:
        name = {"type": "tool", "name": forced.name}
        body["tool_choice"] = name if forced.name else {"type": "any"}
    return body | _limits(request, model)


def _limits(request: ModelRequest, model: ModelSpec) -> dict[str, Any]:
    limit = request.max_tokens or model.max_tokens or _DEFAULT_MAX_TOKENS
    is_thinking = request.thinking is not ThinkingLevel.OFF and model.reasoning is not False
    # The vendor refuses a forced call together with thinking.
    if not is_thinking or request.forced_call is not None:
        return {"max_tokens": limit}
    if request.model.startswith("claude-") and not _TAKES_BUDGET.match(request.model):
        return {
            "max_tokens": limit,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": _EFFORT[request.thinking]},
        }
    if request.messages and request.messages[-1].role == "tool":
        # With a budget, an answer that goes on after a tool must repeat its signed thinking;
        # a request keeps none, so the rest of that answer goes without.
        return {"max_tokens": limit}
    whole = limit + _BUDGET_TOKENS[request.thinking]
    whole = min(whole, model.max_tokens or whole)
    budget = min(_BUDGET_TOKENS[request.thinking], whole - min(limit, _LEAST_TOKENS))
    if budget < _LEAST_TOKENS:
        return {"max_tokens": limit}
    return {"max_tokens": whole, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _message(message: ModelMessage) -> dict[str, Any]:
    role = "assistant" if message.role == "assistant" else "user"
    rows = [_part(part) for part in message.parts if part != TextPart("")]
    return {"role": role, "content": rows}


def _part(part: TextPart | ImagePart | ToolCall | ToolResult) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            source = {"type": "base64", "media_type": part.mime_type, "data": part.data}
            return {"type": "image", "source": source}
        case ToolCall():
            arguments = arguments_object(part.arguments)
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments}
        case ToolResult():
            row = {"type": "tool_result", "tool_use_id": part.call_id, "content": part.text}
            return row | ({"is_error": True} if part.is_error else {})
