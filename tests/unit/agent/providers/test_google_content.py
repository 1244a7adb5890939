"""generateContent: bodies in Google's words, and its chunks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.providers.google_content import GoogleDecoder, google_body
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

MODEL = ModelSpec("gemini-2.5-flash", "G")


def read(*chunks: dict[str, Any]) -> list[ModelEvent]:
    decoder = GoogleDecoder()
    found: list[ModelEvent] = []
    for chunk in chunks:
        found += decoder.event(SseEvent("", msgspec.json.encode(chunk)))
    return [*found, *decoder.finish()]


def parts(*rows: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(rows)}, "finishReason": finish}]}


def test_thoughts_text_calls_and_counts() -> None:
    usage = {"promptTokenCount": 9, "cachedContentTokenCount": 4, "candidatesTokenCount": 2}
    found = read(
        parts({"text": "hm", "thought": True}, {"text": "yes"}, {"text": ""}),
        parts({"functionCall": {"name": "x", "args": {"a": 1}}}, {"functionCall": {"name": "y"}}),
        {
            "candidates": [{"finishReason": "STOP"}],
            "usageMetadata": {**usage, "thoughtsTokenCount": 3},
        },
    )
    assert found[:2] == [ThinkingDelta("hm"), TextDelta("yes")]
    first, second = (event for event in found if isinstance(event, ToolCall))
    assert (first.name, first.arguments) == ("x", '{"a":1}')
    assert (second.name, second.arguments) == ("y", "{}")
    assert found[-2:] == [Usage(5, 5, 4), Stop("tool_calls")]


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "filtered"), ("OTHER", "stop")],
)
def test_finish_reasons_are_translated(finish: str, stop: str) -> None:
    assert read(parts(finish=finish)) == [msgspec.convert({"reason": stop}, Stop)]


def test_a_blocked_prompt_is_filtered() -> None:
    assert read({"promptFeedback": {"blockReason": "SAFETY"}}) == [Stop("filtered")]
    assert read({"promptFeedback": {}}, parts(finish="STOP")) == [Stop("stop")]


@pytest.mark.parametrize("finish", ["MALFORMED_FUNCTION_CALL", None])
def test_an_end_that_makes_no_sense_is_broken(finish: str | None) -> None:
    with pytest.raises(ProviderError) as caught:
        read(parts({"text": "a"}, finish=finish))
    assert caught.value.fault is ProviderFault.BROKEN


def test_an_error_in_the_stream_is_told() -> None:
    with pytest.raises(ProviderError, match="slow down") as caught:
        read({"error": {"status": "RESOURCE_EXHAUSTED", "message": "slow down"}})
    assert caught.value.fault is ProviderFault.RATE_LIMIT


def test_the_body_of_a_tool_round() -> None:
    messages = (
        ModelMessage("user", (TextPart("look"), TextPart(""), ImagePart("image/png", "aGk="))),
        ModelMessage("assistant", (ToolCall("c", "see", '{"a":1}'),)),
        ModelMessage("tool", (ToolResult("c", "see", "a cat"), ToolResult("d", "x", "no", True))),
        ModelMessage("assistant", (TextPart(""),)),
    )
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    asked = request("", model="gemini-2.5-flash", messages=messages, tools=tools, max_tokens=9)
    body = google_body(asked, MODEL)
    look, call, result = body["contents"]
    assert look["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    assert call == {
        "role": "model",
        "parts": [{"functionCall": {"id": "c", "name": "see", "args": {"a": 1}}}],
    }
    assert [part["functionResponse"]["response"] for part in result["parts"]] == [
        {"output": "a cat"},
        {"error": "no"},
    ]
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["generationConfig"] == {"maxOutputTokens": 9}
    assert body["tools"][0]["functionDeclarations"][0]["name"] == "see"


def test_later_models_want_a_signature_with_each_past_call() -> None:
    messages = (user("hi"), ModelMessage("assistant", (ToolCall("c", "see", "{}"),)))
    body = google_body(request("", model="gemini-3-pro", messages=messages), MODEL)
    assert body["contents"][1]["parts"][0]["thoughtSignature"]


@pytest.mark.parametrize(
    ("model", "level", "expected"),
    [
        ("gemini-2.5-flash", ThinkingLevel.LOW, {"thinkingBudget": 4_096}),
        ("gemini-3-pro", ThinkingLevel.LOW, {"thinkingLevel": "low"}),
        ("gemini-flash-latest", ThinkingLevel.XHIGH, {"thinkingLevel": "high"}),
    ],
)
def test_thinking_is_asked_for_as_the_model_wants_it(
    model: str, level: ThinkingLevel, expected: dict[str, Any]
) -> None:
    body = google_body(request("hi", model=model, thinking=level, system=""), MODEL)
    assert body["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, **expected}


def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    plain = ModelSpec("g", "G", reasoning=False)
    body = google_body(request("hi", thinking=ThinkingLevel.LOW), plain)
    assert "generationConfig" not in body


@pytest.mark.parametrize(
    ("forced", "expected"),
    [
        (ForcedCall(), {"mode": "ANY"}),
        (ForcedCall("see"), {"mode": "ANY", "allowedFunctionNames": ["see"]}),
    ],
)
def test_a_forced_call_is_asked_for(forced: ForcedCall, expected: dict[str, object]) -> None:
    tools = (ToolSpec("see", "Looks.", {"type": "object"}),)
    body = google_body(request("hi", tools=tools, forced_call=forced), MODEL)
    assert body["toolConfig"] == {"functionCallingConfig": expected}
    assert "toolConfig" not in google_body(request("hi", tools=tools), MODEL)
