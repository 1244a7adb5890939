"""Messages: caching marks, thinking as each model wants it, and typed events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.providers.anthropic_messages import MessagesDecoder, messages_body
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
    ThinkingLevel,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapace.agent.providers.spec import ModelSpec
from carapace.agent.providers.sse import SseEvent
from support.providers import request, user

MODEL = ModelSpec("m", "M")
CACHE = {"cache_control": {"type": "ephemeral"}}


def read(*events: dict[str, Any]) -> list[ModelEvent]:
    decoder = MessagesDecoder()
    found: list[ModelEvent] = []
    for event in events:
        found += decoder.event(SseEvent(event["type"], msgspec.json.encode(event)))
    return [*found, *decoder.finish()]


def ending(reason: str, **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "filtered"),
        ("new_reason", "stop"),
    ],
)
def test_stop_reasons_are_translated(reason: str, stop: str) -> None:
    assert read(ending(reason))[-1] == msgspec.convert({"reason": stop}, Stop)


def test_later_counts_replace_earlier_ones() -> None:
    counts = {"input_tokens": 10, "output_tokens": 1, "cache_creation_input_tokens": 3}
    found = read(
        {"type": "message_start", "message": {"usage": counts}},
        {"type": "ping"},
        {"type": "content_block_start", "content_block": {"type": "text", "text": "A"}},
        {"type": "content_block_delta", "delta": {"type": "signature_delta"}},
        {"type": "message_delta", "delta": None, "usage": None},
        ending("end_turn", output_tokens=7, cache_read_input_tokens=4),
        {"type": "message_stop"},
    )
    assert found == [TextDelta("A"), Usage(10, 7, 4, 3), Stop("stop")]


def test_an_error_event_is_told() -> None:
    with pytest.raises(ProviderError, match="Overloaded") as caught:
        read({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert caught.value.fault is ProviderFault.OVERLOADED


def test_an_end_without_reason_is_broken() -> None:
    with pytest.raises(ProviderError) as caught:
        read({"type": "message_stop"})
    assert caught.value.fault is ProviderFault.BROKEN


def test_the_body_of_a_tool_round_marks_what_to_cache() -> None:
    messages = (
        ModelMessage("user", (TextPart("look"), ImagePart("image/png", "aGk="))),
        ModelMessage("assistant", (TextPart(""), ToolCall("c", "see", '{"a":1}'))),
        ModelMessage("tool", (ToolResult("c", "see", "gone", is_error=True),)),
    )
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    body = messages_body(request("", messages=messages, tools=tools), MODEL)
    assert body["system"] == [{"type": "text", "text": "Be brief.", **CACHE}]
    look, call, result = body["messages"]
    assert look["content"][1]["source"]["media_type"] == "image/png"
    assert call["content"] == [{"type": "tool_use", "id": "c", "name": "see", "input": {"a": 1}}]
    assert result == {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "c",
                "content": "gone",
                "is_error": True,
                **CACHE,
            }
        ],
    }
    assert body["tools"][0]["input_schema"] == {"type": "object"}
    assert body["max_tokens"] == 8_192


def test_messages_without_content_are_left_out() -> None:
    messages = (ModelMessage("assistant", (TextPart(""),)), user("hi"))
    body = messages_body(request("", messages=messages, system=""), MODEL)
    assert [row["role"] for row in body["messages"]] == ["user"]
    assert "system" not in body
    assert messages_body(request("", messages=()), MODEL)["messages"] == []


def limits(model: str, spec: ModelSpec = MODEL, **fields: object) -> dict[str, Any]:
    asked = request("hi", model=model, thinking=ThinkingLevel.LOW, **fields)
    body = messages_body(asked, spec)
    return {key: body[key] for key in ("max_tokens", "thinking", "output_config") if key in body}


def test_later_models_are_given_an_effort() -> None:
    found = limits("claude-sonnet-5-5", max_tokens=100)
    assert found["thinking"]["type"] == "adaptive"
    assert found["output_config"] == {"effort": "low"}
    assert found["max_tokens"] == 100


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "claude-opus-4-1-20250805", "claude-3-7-sonnet-latest", "other"]
)
def test_earlier_models_are_given_a_budget_beside_the_answer(model: str) -> None:
    found = limits(model, max_tokens=1000)
    assert found["thinking"] == {"type": "enabled", "budget_tokens": 4_096}
    assert found["max_tokens"] == 5_096


def test_a_budget_never_exceeds_what_the_model_can_say() -> None:
    small = ModelSpec("m", "M", max_tokens=3_000)
    found = limits("claude-haiku-4-5", small)
    assert found == {
        "max_tokens": 3_000,
        "thinking": {"type": "enabled", "budget_tokens": 1_976},
    }
    assert limits("claude-haiku-4-5", ModelSpec("m", "M", max_tokens=1_500)) == {
        "max_tokens": 1_500
    }


def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    assert limits("claude-haiku-4-5", ModelSpec("m", "M", reasoning=False)) == {"max_tokens": 8_192}


def test_an_answer_that_goes_on_after_a_tool_needs_no_signed_thinking() -> None:
    messages = (user("hi"), ModelMessage("tool", (ToolResult("c", "see", "x"),)))
    assert "thinking" not in limits("claude-haiku-4-5", messages=messages)


@pytest.mark.parametrize(
    ("forced", "expected"),
    [(ForcedCall(), {"type": "any"}), (ForcedCall("see"), {"type": "tool", "name": "see"})],
)
def test_a_forced_call_is_asked_for_without_thinking(
    forced: ForcedCall, expected: dict[str, str]
) -> None:
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    body = messages_body(request("hi", tools=tools, forced_call=forced), MODEL)
    assert body["tool_choice"] == expected
    assert "tool_choice" not in messages_body(request("hi", tools=tools), MODEL)
    for model in ("claude-sonnet-5-5", "claude-haiku-4-5"):
        assert set(limits(model, forced_call=forced)) == {"max_tokens"}
