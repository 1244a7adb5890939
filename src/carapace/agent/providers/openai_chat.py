"""The chat completions format: a request's body and the machine that reads its stream.

Spoken by OpenAI, Ollama, vLLM, llama.cpp, LM Studio, OpenRouter and most others, each with
small liberties; the machine takes them all.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, cast

import msgspec

from carapace.agent.providers.faults import error_from_event, message_of
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

__all__ = ["ChatDecoder", "chat_body", "image_url"]

_KEPT: Final = "openai_chat_rows"


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_CHUNK = msgspec.json.Decoder(_Chunk)
_STOPS: dict[str, Literal["stop", "length", "tool_calls", "filtered"]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filtered",
}


class ChatDecoder:
    """Reads the stream of one chat completion."""

    __slots__ = ("_calls", "_finish", "_secrets", "_usage", "is_done")

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.is_done = False
        self._calls = ToolCallPieces()
        self._finish: str | None = None
        self._usage: _Usage | None = None
        self._secrets = secrets

    def event(self, event: SseEvent) -> Iterable[ModelEvent]:
        """The events of one chunk."""
        if event.data == b"[DONE]":
            self.is_done = True
            return
        chunk = _CHUNK.decode(event.data)
        if bytes(chunk.error) not in {b"", b"null"}:
            message, kinds = message_of(b'{"error":' + bytes(chunk.error) + b"}")
            raise error_from_event(kinds.partition(" ")[0], message, secrets=self._secrets)
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices or ():
            self._finish = choice.finish_reason or self._finish
            if choice.delta is not None:
                yield from self._delta(choice.delta)

    def _delta(self, delta: _Delta) -> Iterator[ModelEvent]:
        if thought := delta.reasoning_content or delta.reasoning:
            yield ThinkingDelta(thought)
        if text := delta.content or delta.refusal:
            yield TextDelta(text)
        for call in delta.tool_calls or ():
            function = call.function or _Function()
            # Some servers give no index but a fresh id with each whole call.
            index = call.index if call.index is not None else call.id or len(self._calls)
            self._calls.add(
                index,
                call_id=call.id or "",
                name=function.name or "",
                arguments=function.arguments or "",
            )

    def finish(self) -> Iterable[ModelEvent]:
        """Tool calls, usage and the stop."""
        if self._finish is None:
            raise broken("it ended before the model said why it stopped")
        yield from self._calls.whole()
        if self._usage is not None:
            yield _usage(self._usage)
        # Some servers say "stop" although the model asks for a tool.
        yield Stop("tool_calls" if len(self._calls) else _STOPS.get(self._finish, "stop"))


def _usage(said: _Usage) -> Usage:
    details = said.prompt_tokens_details or _PromptDetails()
    prompt, cached = said.prompt_tokens or 0, details.cached_tokens or 0
    return Usage(
        input=max(0, prompt - cached), output=said.completion_tokens or 0, cache_read=cached
    )


def image_url(part: ImagePart) -> str:
    """The picture as a data URL."""
    return f"data:{part.mime_type};base64,{part.data}"


def chat_body(request: ModelRequest, model: ModelSpec, *, is_official: bool) -> dict[str, Any]:
    """The JSON body of a streaming request.

    Args:
        request: What the turn asks.
        model: What is known about the model.
        is_official: Whether it goes to OpenAI itself, whose newer names others do not know.
    """
    messages = [row for message in request.messages for row in _rows(message)]
    if request.system:
        messages.insert(0, {"role": "system", "content": request.system})
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    if (forced := request.forced_call) is not None:
        name = {"type": "function", "function": {"name": forced.name}}
        body["tool_choice"] = name if forced.name else "required"
    if limit := request.max_tokens or model.max_tokens:
        body["max_completion_tokens" if is_official else "max_tokens"] = limit
    if request.thinking is not ThinkingLevel.OFF and model.reasoning is not False:
        body["reasoning_effort"] = request.thinking.value
    return body


def _rows(message: ModelMessage) -> list[dict[str, Any]]:
    """The message in this format, kept with it: the next turn sends all of it again."""
    kept = cast("dict[str, Any]", message.__dict__)
    rows: list[dict[str, Any]] | None = kept.get(_KEPT)
    if rows is None:
        rows = list(_messages(message))
        if not message.has_images:
            kept[_KEPT] = rows
    return rows


def _messages(message: ModelMessage) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        for result in message.parts:
            if isinstance(result, ToolResult):
                yield {"role": "tool", "tool_call_id": result.call_id, "content": result.text}
    elif message.role == "assistant":
        yield _assistant(message)
    else:
        yield {"role": "user", "content": _user(message)}


def _user(message: ModelMessage) -> str | list[dict[str, Any]]:
    parts = message.parts
    if all(isinstance(part, TextPart) for part in parts):
        return "\n".join(part.text for part in parts if isinstance(part, TextPart))
    rows: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, TextPart):
            rows.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            rows.append({"type": "image_url", "image_url": {"url": image_url(part)}})
    return rows


def _assistant(message: ModelMessage) -> dict[str, Any]:
    text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    row: dict[str, Any] = {"role": "assistant", "content": text or None}
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        row["tool_calls"] = calls
    else:
        row["content"] = text
    return row


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = msgspec.json.encode(arguments_object(call.arguments)).decode()
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }
