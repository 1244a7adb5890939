"""Google's generateContent: a request's parts and the machine that reads its stream.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

__all__ = ["GoogleDecoder", "google_body"]

_STOPS: dict[str, Literal["stop", "length", "filtered"]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "LANGUAGE": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "IMAGE_SAFETY": "filtered",
}
_BROKEN_CALLS = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})
_BUDGET_TOKENS = {
    ThinkingLevel.MINIMAL: 1_024,
    ThinkingLevel.LOW: 4_096,
    ThinkingLevel.MEDIUM: 8_192,
    ThinkingLevel.HIGH: 16_384,
    ThinkingLevel.XHIGH: 24_576,
}
# Gemini 3 and later take words, earlier ones a number of tokens.
_TAKES_BUDGET = ("gemini-1", "gemini-2")
# A past call of Gemini 3 must carry the signature of its thoughts; the vendor documents this
# value for calls whose signature was not kept.
# Source: https://ai.google.dev/gemini-api/docs/thought-signatures
_UNSIGNED = {"thoughtSignature": "skip_thought_signature_validator"}


class _FunctionCall(msgspec.Struct):
    id: str = ""
    name: str = ""
    args: msgspec.Raw = msgspec.Raw()


class _Part(msgspec.Struct, rename="camel"):
    text: str = ""
    thought: bool = False
    function_call: _FunctionCall | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0


class _Fault(msgspec.Struct):
    status: str = ""
    message: str = ""


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    error: _Fault | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)


class GoogleDecoder:
    """Reads the stream of one answer."""

    __slots__ = ("_calls", "_finish", "_secrets", "_usage", "is_done")

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.is_done = False
        self._calls = ToolCallPieces()
        self._finish: str | None = None
        self._usage: _Usage | None = None
        self._secrets = secrets

    def event(self, event: SseEvent) -> Iterable[ModelEvent]:
        """The events of one chunk."""
        chunk = _CHUNK.decode(event.data)
        if chunk.error is not None:
            fault = chunk.error
            raise error_from_event(fault.status.lower(), fault.message, secrets=self._secrets)
        self._usage = chunk.usage_metadata or self._usage
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._finish = "SAFETY"
        for candidate in chunk.candidates or ():
            for part in (candidate.content and candidate.content.parts) or ():
                yield from self._part(part)
            self._finish = candidate.finish_reason or self._finish
        self.is_done = self._finish is not None

    def _part(self, part: _Part) -> Iterable[ModelEvent]:
        if (call := part.function_call) is not None:
            arguments = bytes(call.args).decode()
            self._calls.add(len(self._calls), call_id=call.id, name=call.name, arguments=arguments)
        elif part.text:
            yield ThinkingDelta(part.text) if part.thought else TextDelta(part.text)

    def finish(self) -> Iterable[ModelEvent]:
        """Tool calls, usage and the stop."""
        if self._finish is None:
            raise broken("it ended before the model said why it stopped")
        if self._finish in _BROKEN_CALLS:
            raise broken("the model asked for a tool in a way nobody can read")
        yield from self._calls.whole()
        if (said := self._usage) is not None:
            cached = said.cached_content_token_count
            yield Usage(
                input=max(0, said.prompt_token_count - cached),
                output=said.candidates_token_count + said.thoughts_token_count,
                cache_read=cached,
            )
        yield Stop("tool_calls" if len(self._calls) else _STOPS.get(self._finish, "stop"))


def google_body(request: ModelRequest, model: ModelSpec) -> dict[str, Any]:
    """The JSON body of a streaming request."""
    body: dict[str, Any] = {"contents": _contents(request)}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    if request.tools:
        rows = [
            {
                "name": tool.name,
                "description": tool.description,
                "parametersJsonSchema": tool.parameters,
            }
            for tool in request.tools
        ]
        body["tools"] = [{"functionDeclarations": rows}]
    if (forced := request.forced_call) is not None:
        calling = {"mode": "ANY"} | ({"allowedFunctionNames": [forced.name]} if forced.name else {})
        body["toolConfig"] = {"functionCallingConfig": calling}
    if generation := _generation(request, model):
        body["generationConfig"] = generation
    return body


def _generation(request: ModelRequest, model: ModelSpec) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if limit := request.max_tokens or model.max_tokens:
        config["maxOutputTokens"] = limit
    if request.thinking is not ThinkingLevel.OFF and model.reasoning is not False:
        config["thinkingConfig"] = _thinking(request)
    return config


def _thinking(request: ModelRequest) -> dict[str, Any]:
    if request.model.startswith(_TAKES_BUDGET):
        return {"includeThoughts": True, "thinkingBudget": _BUDGET_TOKENS[request.thinking]}
    high = request.thinking in {ThinkingLevel.HIGH, ThinkingLevel.XHIGH}
    return {"includeThoughts": True, "thinkingLevel": "high" if high else "low"}


def _contents(request: ModelRequest) -> list[dict[str, Any]]:
    return [
        {"role": "model" if message.role == "assistant" else "user", "parts": parts}
        for message in request.messages
        if (parts := list(_parts(message, request.model)))
    ]


def _parts(message: ModelMessage, model: str) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        match part:
            case TextPart():
                if part.text:
                    yield {"text": part.text}
            case ImagePart():
                yield {"inlineData": {"mimeType": part.mime_type, "data": part.data}}
            case ToolCall():
                arguments = arguments_object(part.arguments)
                call = {"id": part.id, "name": part.name, "args": arguments}
                signed = {} if model.startswith(_TAKES_BUDGET) else _UNSIGNED
                yield {"functionCall": call, **signed}
            case ToolResult():
                said = {"error" if part.is_error else "output": part.text}
                reply = {"id": part.call_id, "name": part.name, "response": said}
                yield {"functionResponse": reply}
