"""Responses: bodies that store nothing, and typed events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.providers.openai_responses import ResponsesDecoder, responses_body
from carapace.agent.providers.ports import (
    ForcedCall,
    ImagePart,
    ModelEvent,
    ModelMessage,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingLevel,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapace.agent.providers.spec import ModelSpec
from carapace.agent.providers.sse import SseEvent
from support.providers import request, user

MODEL = ModelSpec("fake-1", "Fake")


def read(*events: dict[str, Any]) -> list[ModelEvent]:
    decoder = ResponsesDecoder()
    found: list[ModelEvent] = []
    for event in events:
        found += decoder.event(SseEvent(event["type"], msgspec.json.encode(event)))
    found += decoder.event(SseEvent("", b"[DONE]"))
    return [*found, *decoder.finish()]


def end(**response: object) -> dict[str, Any]:
    return {"type": "response.completed", "response": response}


def test_text_thoughts_and_refusals_are_told_apart() -> None:
    found = read(
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_text.delta", "delta": "yes"},
        {"type": "response.refusal.delta", "delta": "no"},
        {"type": "response.never_heard_of", "delta": "x"},
        end(),
    )
    assert found == [ThinkingDelta("hm"), TextDelta("yes"), TextDelta("no"), Stop("stop")]


def test_whole_calls_are_taken_from_finished_items() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "x", "arguments": '{"a":1}'}
    bare = {"type": "function_call"}
    found = read(
        {"type": "response.output_item.done", "item": call},
        {"type": "response.output_item.done", "item": bare},
        {"type": "response.output_item.done", "item": {"type": "message"}},
        end(usage={"input_tokens": 9, "output_tokens": 2}),
    )
    assert found[0] == ToolCall("c", "x", '{"a":1}')
    assert isinstance(found[1], ToolCall)
    assert found[2:] == [Usage(9, 2), Stop("tool_calls")]


@pytest.mark.parametrize(
    ("reason", "stop"), [("max_output_tokens", "length"), ("content_filter", "filtered")]
)
def test_an_incomplete_response_says_why(reason: str, stop: str) -> None:
    response = {"incomplete_details": {"reason": reason}}
    found = read({"type": "response.incomplete", "response": response})
    assert found == [msgspec.convert({"reason": stop}, Stop)]


@pytest.mark.parametrize(
    "event",
    [
        {
            "type": "response.failed",
            "response": {"error": {"code": "server_error", "message": "x"}},
        },
        {"type": "error", "code": "server_error", "message": "x"},
        {"type": "error", "error": {"code": "server_error", "message": "x"}},
    ],
)
def test_failures_are_told_in_all_their_shapes(event: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        read(event)
    assert (caught.value.fault, caught.value.message) == (ProviderFault.OVERLOADED, "x")


def test_an_end_without_completion_is_broken() -> None:
    with pytest.raises(ProviderError) as caught:
        read({"type": "response.output_text.delta", "delta": "a"})
    assert caught.value.fault is ProviderFault.BROKEN


def test_the_body_of_a_tool_round() -> None:
    messages = (
        ModelMessage("user", (TextPart("look"), ImagePart("image/png", "aGk="))),
        ModelMessage("assistant", (TextPart("Hm."), ToolCall("c", "see", "{}"))),
        ModelMessage("tool", (ToolResult("c", "see", "a cat"),)),
        user("thanks"),
    )
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    asked = request("", messages=messages, tools=tools, max_tokens=9, thinking=ThinkingLevel.MEDIUM)
    body = responses_body(asked, MODEL)
    assert [row.get("type", row.get("role")) for row in body["input"]] == [
        "user",
        "assistant",
        "function_call",
        "function_call_output",
        "user",
    ]
    assert body["input"][0]["content"][1]["image_url"] == "data:image/png;base64,aGk="
    assert body["store"] is False
    assert body["instructions"] == "Be brief."
    assert body["max_output_tokens"] == 9
    assert body["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert body["tools"][0]["strict"] is False


def test_the_smallest_body() -> None:
    body = responses_body(request("hi", system=""), MODEL)
    assert set(body) == {"model", "input", "stream", "store"}


@pytest.mark.parametrize(
    ("forced", "expected"),
    [(ForcedCall(), "required"), (ForcedCall("see"), {"type": "function", "name": "see"})],
)
def test_a_forced_call_is_asked_for(forced: ForcedCall, expected: object) -> None:
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    body = responses_body(request("hi", tools=tools, forced_call=forced), MODEL)
    assert body["tool_choice"] == expected
    assert "tool_choice" not in responses_body(request("hi", tools=tools), MODEL)
