"""The stock `openai` package against the real process: chat, streams, tools, responses, models."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai import AsyncOpenAI

from support.fake_llm import FakeLlm, fake_llm
from support.gateway import TOKEN, Started, running_gateway, settings

pytestmark = pytest.mark.slow

ENDPOINTS: Final = {
    name: {"enabled": True} for name in ("chatCompletions", "responses", "embeddings")
}
WEATHER: Final[Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
FLAT_WEATHER: Final[Any] = {"type": "function", **WEATHER["function"]}
QUESTION: Final = '[[tool:get_weather {"city":"Oslo"}]]'
PNG: Final = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63"
        "64f8cf500f0003060180019a347dd70000000049454e44ae426082"
    )
).decode()


@asynccontextmanager
async def client(folder: Path) -> AsyncGenerator[tuple[AsyncOpenAI, Started, FakeLlm]]:
    async with fake_llm() as model:
        config = settings(int(model.url.rpartition(":")[2]), http={"endpoints": ENDPOINTS})
        async with (
            running_gateway(folder / "gateway", config) as gateway,
            AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key=TOKEN, max_retries=0) as sdk,
        ):
            yield sdk, gateway, model


async def chat(sdk: AsyncOpenAI, text: str, **more: Any) -> Any:
    messages: Any = [*more.pop("before", []), {"role": "user", "content": text}]
    return await sdk.chat.completions.create(model="openclaw", messages=messages, **more)


async def check_models(sdk: AsyncOpenAI) -> None:
    names = [model.id async for model in sdk.models.list()]
    assert "carapace:main" in names
    assert (await sdk.models.retrieve("openclaw/main")).object == "model"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("gpt-4o")


async def check_chat(sdk: AsyncOpenAI) -> None:
    answer = await chat(sdk, "hello")
    assert answer.choices[0].message.content == "Echo: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    before = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
    ]
    assert (await chat(sdk, "three", before=before)).choices[0].message.content == "Echo: three"
    await chat(sdk, "my name is Ada", user="ada")
    url = f"data:image/png;base64,{PNG}"
    content: Any = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    seen = await sdk.chat.completions.create(
        model="x", messages=[{"role": "user", "content": content}]
    )
    assert "look" in (seen.choices[0].message.content or "")


async def check_chat_stream(sdk: AsyncOpenAI) -> None:
    stream = await chat(sdk, "hello", stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert text == "Echo: hello"
    reasons = [one.choices[0].finish_reason for one in chunks if one.choices]
    assert reasons[-1] == "stop"
    assert set(reasons[:-1]) == {None}
    assert chunks[-1].usage.total_tokens > 0


async def check_chat_tools(sdk: AsyncOpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": QUESTION}]
    first = await sdk.chat.completions.create(model="x", messages=asked, tools=[WEATHER])
    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Oslo"}')
    asked += [
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]
    second = await sdk.chat.completions.create(model="x", messages=asked, tools=[WEATHER])
    assert second.choices[0].message.content == "Tool said: rain"
    async with sdk.chat.completions.stream(
        model="x", messages=asked[:1], tools=[WEATHER]
    ) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    assert (final.choices[0].message.tool_calls or [])[0].function.name == "get_weather"


async def check_forced_calls(sdk: AsyncOpenAI, model: FakeLlm) -> None:
    """What the vendor receives, in its own words; and what comes of a server that ignores it."""
    other: Any = {"type": "function", "function": {"name": "other"}}
    tools: Any = [WEATHER, other]
    named: Any = {"type": "function", "function": {"name": "get_weather"}}
    answer = await chat(sdk, QUESTION, tools=tools, tool_choice=named)
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"
    received = model.requests[-1]["body"]
    assert received["tool_choice"] == named
    assert [tool["function"]["name"] for tool in received["tools"]] == ["get_weather"]
    await sdk.responses.create(
        model="x", input=QUESTION, tools=[FLAT_WEATHER], tool_choice="required"
    )
    assert model.requests[-1]["body"]["tool_choice"] == "required"
    assert (await chat(sdk, "hi", tools=tools, tool_choice="none")).choices[0].message.content
    received = model.requests[-1]["body"]
    offered = {tool["function"]["name"] for tool in received.get("tools", ())}
    assert offered.isdisjoint({"get_weather", "other"})
    assert "tool_choice" not in received
    with pytest.raises(openai.BadRequestError, match="answered in words"):
        await chat(sdk, "hi", tools=tools, tool_choice="required")
    with pytest.raises(openai.APIError, match="answered in words"):
        _ = [
            one
            async for one in await chat(sdk, "hi", tools=tools, tool_choice="required", stream=True)
        ]
    with pytest.raises(openai.BadRequestError, match="not among the tools"):
        await chat(sdk, "hi", tools=[other], tool_choice=named)


async def check_embeddings(sdk: AsyncOpenAI, model: FakeLlm) -> None:
    """The package asks for base64 by itself and decodes it; the vendor is asked for numbers."""
    made = await sdk.embeddings.create(model="fake/embed-1", input=["one", "two"], dimensions=8)
    assert [len(row.embedding) for row in made.data] == [8, 8]
    assert made.model == "fake/embed-1"
    received = model.requests[-1]["body"]
    assert (received["model"], received["encoding_format"]) == ("embed-1", "float")
    plain = await sdk.embeddings.create(
        model="fake/embed-1", input="one", dimensions=8, encoding_format="float"
    )
    assert plain.data[0].embedding == pytest.approx(made.data[0].embedding)
    with pytest.raises(openai.NotFoundError, match="provider/model"):
        await sdk.embeddings.create(model="text-embedding-3-small", input="one")
    with pytest.raises(openai.BadRequestError, match="384 numbers"):
        await sdk.embeddings.create(model="carapace", input="one", dimensions=8)


async def check_errors(sdk: AsyncOpenAI, gateway: Started) -> None:
    with pytest.raises(openai.InternalServerError, match="fake error 400"):
        await chat(sdk, "[[error:400]]")
    with pytest.raises(openai.APIError, match="fake error 400"):
        _ = [chunk async for chunk in await chat(sdk, "[[error:400]]", stream=True)]
    with pytest.raises(openai.InternalServerError, match="fake error 400"):
        await sdk.responses.create(model="x", input="[[error:400]]")
    with pytest.raises(openai.BadRequestError, match="Missing user message"):
        await sdk.chat.completions.create(model="x", messages=[])
    with pytest.raises(openai.BadRequestError, match="no agent 'nobody'"):
        await sdk.responses.create(model="openclaw/nobody", input="x")
    async with AsyncOpenAI(
        base_url=f"{gateway.http}/v1", api_key="wrong", max_retries=0
    ) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.responses.create(model="x", input="x")


async def check_responses(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(
        model="openclaw", input="hello", instructions="Be brief.", store=True, temperature=0.5
    )
    assert (first.status, first.output_text) == ("completed", "Echo: hello")
    assert first.usage is not None
    assert first.usage.input_tokens > 0
    second = await sdk.responses.create(
        model="openclaw", input="again", previous_response_id=first.id
    )
    assert second.previous_response_id == first.id
    with pytest.raises(openai.BadRequestError, match="gone on since"):
        await sdk.responses.create(model="x", input="y", previous_response_id=first.id)
    with pytest.raises(openai.BadRequestError, match="no such answer"):
        await sdk.responses.create(model="x", input="y", previous_response_id="resp_unknown")
    document = base64.b64encode(b"a,b\n1,2\n").decode()
    content: Any = [
        {"type": "input_text", "text": "read"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
        {"type": "input_file", "filename": "t.csv", "file_data": document},
    ]
    read = await sdk.responses.create(model="x", input=[{"role": "user", "content": content}])
    assert 'name="t.csv"' in read.output_text


async def check_responses_stream(sdk: AsyncOpenAI) -> None:
    events = [one async for one in await sdk.responses.create(model="x", input="hi", stream=True)]
    kinds = list(dict.fromkeys(one.type for one in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [one.sequence_number for one in events] == list(range(len(events)))


async def check_responses_tools(sdk: AsyncOpenAI) -> None:
    first = await sdk.responses.create(model="x", input=QUESTION, tools=[FLAT_WEATHER])
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (call.name, call.arguments) == ("get_weather", '{"city":"Oslo"}')
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = await sdk.responses.create(model="x", input=[output], previous_response_id=first.id)
    assert second.output_text == "Tool said: rain"
    whole: Any = [{"role": "user", "content": QUESTION}, *[i.model_dump() for i in first.output]]
    third = await sdk.responses.create(model="x", input=[*whole, output], tools=[FLAT_WEATHER])
    assert third.output_text == "Tool said: rain"
    stream = await sdk.responses.create(
        model="x", input=QUESTION, tools=[FLAT_WEATHER], stream=True
    )
    kinds = [one.type async for one in stream]
    assert "response.function_call_arguments.done" in kinds
    assert kinds[-1] == "response.completed"


async def test_the_stock_package_is_served_in_full(tmp_path: Path) -> None:
    """One process for all of it: starting one costs more than everything that is asked."""
    async with client(tmp_path) as (sdk, gateway, model):
        await check_models(sdk)
        await check_chat(sdk)
        await check_chat_stream(sdk)
        await check_chat_tools(sdk)
        await check_forced_calls(sdk, model)
        await check_responses(sdk)
        await check_responses_stream(sdk)
        await check_responses_tools(sdk)
        await check_embeddings(sdk, model)
        await check_errors(sdk, gateway)
