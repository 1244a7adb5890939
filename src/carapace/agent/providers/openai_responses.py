"""The responses format of OpenAI: a request's body and the machine that reads its stream.

Nothing is stored at the vendor (`store: false`); the whole conversation goes along each time.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from carapace.agent.providers.faults import error_from_event
from carapace.agent.providers.openai_chat import image_url
from carapace.agent.providers.ports import (
    ImagePart,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    ProviderError,
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

__all__ = ["ResponsesDecoder", "responses_body"]


class _Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: _InputDetails | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Fault(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _Response(msgspec.Struct):
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: _Fault | None = None


class _Event(msgspec.Struct):
    type: str
    delta: str | msgspec.UnsetType = msgspec.UNSET
    item: _Item | None = None
    response: _Response | None = None
    code: str | None = None
    message: str | None = None
    error: _Fault | None = None


_EVENT = msgspec.json.Decoder(_Event)
_TEXT = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHT = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ENDS = frozenset({"response.completed", "response.incomplete"})


class ResponsesDecoder:
    """Reads the stream of one response."""

    __slots__ = ("_calls", "_response", "_secrets", "is_done")

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.is_done = False
        self._calls = ToolCallPieces()
        self._response: _Response | None = None
        self._secrets = secrets

    def event(self, event: SseEvent) -> Iterable[ModelEvent]:
        """The events of one typed event; unknown types mean nothing."""
        if event.data == b"[DONE]":
            return
        said = _EVENT.decode(event.data)
        if said.type in _TEXT and said.delta:
            yield TextDelta(said.delta)
        elif said.type in _THOUGHT and said.delta:
            yield ThinkingDelta(said.delta)
        elif said.type == "response.output_item.done" and said.item is not None:
            self._item(said.item)
        elif said.type in _ENDS:
            self._response = said.response or _Response()
            self.is_done = True
        elif said.type in {"response.failed", "error"}:
            raise self._failed(said)

    def _item(self, item: _Item) -> None:
        if item.type == "function_call":
            self._calls.add(
                item.call_id or item.id or len(self._calls),
                call_id=item.call_id or item.id or "",
                name=item.name or "",
                arguments=item.arguments or "",
            )

    def _failed(self, said: _Event) -> ProviderError:
        response = said.response or _Response()
        fault = response.error or said.error or _Fault(said.code, said.message)
        return error_from_event(fault.code or "", fault.message or "", secrets=self._secrets)

    def finish(self) -> Iterable[ModelEvent]:
        """Tool calls, usage and the stop."""
        if self._response is None:
            raise broken("it ended before the model said why it stopped")
        yield from self._calls.whole()
        if (usage := self._response.usage) is not None:
            cached = (usage.input_tokens_details or _InputDetails()).cached_tokens or 0
            fresh = max(0, usage.input_tokens - cached)
            yield Usage(input=fresh, output=usage.output_tokens, cache_read=cached)
        yield Stop(self._reason(self._response))

    def _reason(self, response: _Response) -> Literal["stop", "length", "tool_calls", "filtered"]:
        if len(self._calls):
            return "tool_calls"
        if response.incomplete_details is None:
            return "stop"
        return "filtered" if response.incomplete_details.reason == "content_filter" else "length"


def responses_body(request: ModelRequest, model: ModelSpec) -> dict[str, Any]:
    """The JSON body of a streaming request."""
    items = [row for message in request.messages for row in _items(message)]
    body: dict[str, Any] = {
        "model": request.model,
        "input": items,
        "stream": True,
        "store": False,
    }
    if request.system:
        body["instructions"] = request.system
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in request.tools
        ]
    if (forced := request.forced_call) is not None:
        name = {"type": "function", "name": forced.name}
        body["tool_choice"] = name if forced.name else "required"
    if limit := request.max_tokens or model.max_tokens:
        body["max_output_tokens"] = limit
    if request.thinking is not ThinkingLevel.OFF and model.reasoning is not False:
        body["reasoning"] = {"effort": request.thinking.value, "summary": "auto"}
    return body


def _items(message: ModelMessage) -> Iterator[dict[str, Any]]:
    text_type = "output_text" if message.role == "assistant" else "input_text"
    content: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case TextPart():
                content.append({"type": text_type, "text": part.text})
            case ImagePart():
                content.append({"type": "input_image", "image_url": image_url(part)})
            case ToolCall():
                others.append(_call(part))
            case ToolResult():
                row = {"type": "function_call_output", "call_id": part.call_id}
                others.append({**row, "output": part.text})
    if content:
        yield {"role": message.role, "content": content}
    yield from others


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = msgspec.json.encode(arguments_object(call.arguments)).decode()
    row = {"type": "function_call", "call_id": call.id, "name": call.name}
    return {**row, "arguments": arguments}
