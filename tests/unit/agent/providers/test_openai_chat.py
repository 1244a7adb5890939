"""Chat completions: bodies as servers expect them, and streams with their liberties."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.providers.openai_chat import ChatDecoder, chat_body
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

MODEL = ModelSpec("fake-1", "Fake", max_tokens=512)


def read(*chunks: object) -> list[ModelEvent]:
    decoder = ChatDecoder()
    found: list[ModelEvent] = []
    for chunk in chunks:
        data = chunk if isinstance(chunk, bytes) else msgspec.json.encode(chunk)
        found += decoder.event(SseEvent("", data))
    return [*found, *decoder.finish()]


def delta(finish: str | None = None, **fields: object) -> dict[str, Any]:
    return {"choices": [{"delta": fields, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "filtered"),
        ("something_new", "stop"),
    ],
)
def test_finish_reasons_are_translated(finish: str, reason: str) -> None:
    assert read(delta(content="a"), delta(finish))[-1] == msgspec.convert({"reason": reason}, Stop)


def test_reasoning_comes_under_either_name() -> None:
    found = read(delta(reasoning_content="a"), delta(reasoning="b"), delta("stop", refusal="no"))
    assert found[:3] == [ThinkingDelta("a"), ThinkingDelta("b"), TextDelta("no")]


def test_calls_without_index_are_told_apart_by_id() -> None:
    calls = [
        {"id": "a", "function": {"name": "x", "arguments": "{}"}},
        {"id": "b", "function": {"name": "y", "arguments": "{}"}},
        {"function": None},
    ]
    found = read(delta(tool_calls=calls[:2]), delta("stop"))
    assert found == [ToolCall("a", "x", "{}"), ToolCall("b", "y", "{}"), Stop("tool_calls")]
    assert len(read(delta(tool_calls=[calls[2]]), delta("tool_calls"))) == 2


def test_usage_without_details_and_an_empty_choice_list_are_fine() -> None:
    found = read(
        {"choices": None},
        {"choices": [{"delta": None, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": None}},
        b"[DONE]",
    )
    assert found == [Usage(5, 0), Stop("stop")]


def test_an_error_in_the_stream_is_told() -> None:
    with pytest.raises(ProviderError, match="too busy") as caught:
        read({"error": {"message": "too busy", "type": "server_error"}})
    assert caught.value.fault is ProviderFault.OVERLOADED
    assert read({"error": None}, delta("stop")) == [Stop("stop")]


def test_an_end_without_reason_is_broken() -> None:
    with pytest.raises(ProviderError) as caught:
        read(delta(content="a"), b"[DONE]")
    assert caught.value.fault is ProviderFault.BROKEN


def test_the_body_of_a_plain_question() -> None:
    body = chat_body(request("hi"), MODEL, is_official=False)
    assert body == {
        "model": "fake-1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 512,
    }


def test_openai_itself_wants_the_newer_name_of_the_limit() -> None:
    body = chat_body(request("hi", max_tokens=7, system=""), MODEL, is_official=True)
    assert body["max_completion_tokens"] == 7
    assert body["messages"] == [{"role": "user", "content": "hi"}]


def test_the_body_of_a_tool_round_with_a_picture() -> None:
    messages = (
        ModelMessage("user", (TextPart("look"), ImagePart("image/png", "aGk="))),
        ModelMessage("assistant", (ToolCall("c", "see", '{"a": 1}'),)),
        ModelMessage("tool", (ToolResult("c", "see", "a cat"),)),
        ModelMessage("assistant", (TextPart("A "), TextPart("cat."))),
        user("thanks"),
    )
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    body = chat_body(request("", messages=messages, tools=tools), MODEL, is_official=False)
    _, look, call, result, said, _ = body["messages"]
    assert look["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,aGk="},
    }
    assert call["content"] is None
    assert call["tool_calls"][0]["function"] == {"name": "see", "arguments": '{"a":1}'}
    assert result == {"role": "tool", "tool_call_id": "c", "content": "a cat"}
    assert said == {"role": "assistant", "content": "A cat."}
    assert body["tools"][0]["function"]["name"] == "see"


def test_thinking_is_asked_for_only_where_the_model_may_know_it() -> None:
    asked = request("hi", thinking=ThinkingLevel.HIGH)
    assert chat_body(asked, MODEL, is_official=True)["reasoning_effort"] == "high"
    plain = ModelSpec("fake-1", "Fake", reasoning=False)
    assert "reasoning_effort" not in chat_body(asked, plain, is_official=True)


def test_a_message_is_turned_into_rows_once_unless_it_has_a_picture():
    plain = ModelMessage("user", (TextPart("hi"),))
    seen = ModelMessage("user", (TextPart("hi"), ImagePart("image/png", "AAAA")))
    asked = request("", messages=(plain, seen))
    first, again = (chat_body(asked, MODEL, is_official=False)["messages"] for _ in range(2))
    assert first == again
    assert first[-2] is again[-2]
    assert first[-1] is not again[-1]


@pytest.mark.parametrize(
    ("forced", "expected"),
    [
        (ForcedCall(), "required"),
        (ForcedCall("see"), {"type": "function", "function": {"name": "see"}}),
    ],
)
def test_a_forced_call_is_asked_for(forced: ForcedCall, expected: object) -> None:
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    body = chat_body(request("hi", tools=tools, forced_call=forced), MODEL, is_official=False)
    assert body["tool_choice"] == expected
    assert "tool_choice" not in chat_body(request("hi", tools=tools), MODEL, is_official=False)
