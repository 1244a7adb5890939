"""What every provider keeps, whatever its wire format: one suite, run on all of them.

A provider joins by a row in `SOURCES`: a context manager that yields a `Source`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

import msgspec
import pytest

from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    Provider,
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
from carapace.agent.providers.spec import Api
from support.fake_llm import FakeLlm, fake_llm
from support.providers import KEY, collect, provider, request, spec, text_of, user

CLOCK = ToolSpec("clock", "Tells the time.", {"type": "object", "properties": {}})


@dataclass
class Source:
    """A provider and the scripted server behind it."""

    provider: Provider
    server: FakeLlm


def _over(api: Api) -> Callable[[], AbstractAsyncContextManager[Source]]:
    @asynccontextmanager
    async def made() -> AsyncGenerator[Source]:
        async with fake_llm() as server:
            source = Source(provider(spec(api, server)), server)
            try:
                yield source
            finally:
                await source.provider.aclose()

    return made


SOURCES = {
    str(api): _over(api)
    for api in (
        Api.OPENAI_COMPLETIONS,
        Api.OPENAI_RESPONSES,
        Api.ANTHROPIC_MESSAGES,
        Api.GOOGLE_GENERATIVE_AI,
    )
}


@pytest.fixture(params=SOURCES.values(), ids=list(SOURCES))
async def source(request: pytest.FixtureRequest) -> AsyncGenerator[Source]:
    async with request.param() as made:
        yield made


async def test_text_comes_word_by_word_and_ends_with_a_stop(source: Source) -> None:
    events = await collect(source.provider, request("[[say:one two three]]"))
    assert text_of(events) == "one two three"
    assert sum(isinstance(event, TextDelta) for event in events) == 3
    assert events[-1] == Stop("stop")
    assert sum(isinstance(event, Stop) for event in events) == 1


async def test_usage_is_told_once_and_keeps_cached_tokens_apart(source: Source) -> None:
    fresh = await collect(source.provider, request("[[say:one two]][[cached:0]]"))
    cached = await collect(source.provider, request("[[say:one two]][[cached:9]]"))
    [usage] = [event for event in fresh if isinstance(event, Usage)]
    [other] = [event for event in cached if isinstance(event, Usage)]
    assert usage.input > 9
    assert (usage.output, usage.cache_read) == (2, 0)
    assert other == Usage(input=usage.input - 9, output=2, cache_read=9)


async def test_a_tool_call_is_put_together_and_its_result_goes_back(source: Source) -> None:
    ask = '[[tool:clock {"zone":"UTC"}]]'
    events = await collect(source.provider, request(ask, tools=(CLOCK,)))
    [call] = [event for event in events if isinstance(event, ToolCall)]
    assert call.id
    assert call.name == "clock"
    assert msgspec.json.decode(call.arguments) == {"zone": "UTC"}
    assert events[-1] == Stop("tool_calls")
    followed = (
        user(ask),
        ModelMessage("assistant", (TextPart("Let me look."), call)),
        ModelMessage("tool", (ToolResult(call.id, "clock", "It is noon."),)),
    )
    answer = await collect(source.provider, request("", messages=followed, tools=(CLOCK,)))
    assert text_of(answer) == "Tool said: It is noon."
    assert answer[-1] == Stop("stop")


async def test_a_call_that_the_model_broke_can_be_sent_back(source: Source) -> None:
    broken = ToolCall("call_1", "clock", '{"zone":')
    followed = (
        user("what time is it"),
        ModelMessage("assistant", (broken,)),
        ModelMessage("tool", (ToolResult("call_1", "clock", "not JSON", is_error=True),)),
    )
    answer = await collect(source.provider, request("", messages=followed, tools=(CLOCK,)))
    assert text_of(answer) == "Tool said: not JSON"


async def test_thinking_is_never_text(source: Source) -> None:
    asked = request("[[think:let me see]][[say:done]]", thinking=ThinkingLevel.LOW)
    events = await collect(source.provider, asked)
    thoughts = [event.text for event in events if isinstance(event, ThinkingDelta)]
    assert "".join(thoughts) == "let me see"
    assert text_of(events) == "done"


async def test_pictures_reach_the_server(source: Source) -> None:
    message = ModelMessage("user", (TextPart("what is this"), ImagePart("image/png", "aGk=")))
    events = await collect(source.provider, request("", messages=(message,)))
    assert text_of(events) == "Echo: what is this"
    assert "aGk=" in str(source.server.requests[-1]["body"])


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, ProviderFault.BAD_REQUEST),
        (401, ProviderFault.AUTH),
        (403, ProviderFault.AUTH),
        (404, ProviderFault.BAD_REQUEST),
        (413, ProviderFault.CONTEXT),
        (429, ProviderFault.RATE_LIMIT),
        (500, ProviderFault.OVERLOADED),
        (503, ProviderFault.OVERLOADED),
        (529, ProviderFault.OVERLOADED),
    ],
)
async def test_a_refusal_says_whose_fault_it_is(
    source: Source, status: int, fault: ProviderFault
) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(source.provider, request(f"[[error:{status}]]"))
    assert caught.value.fault is fault
    assert caught.value.status == status
    assert caught.value.message == f"HTTP {status}: fake error {status}"
    assert len(source.server.requests) == 1, "nobody retries behind the turn's back"


async def test_retry_after_is_passed_on(source: Source) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(source.provider, request("[[error:429]][[retry:7]]"))
    assert caught.value.retry_after_s == 7


async def test_closing_the_stream_ends_the_request_at_once(source: Source) -> None:
    async with aclosing(source.provider.stream(request("[[say:one two]][[hang]]"))) as events:
        first = await anext(events)
    assert first == TextDelta("one ")
    async with asyncio.timeout(2):
        await source.server.dropped.wait()


async def test_cancelling_a_waiting_turn_ends_the_request(source: Source) -> None:
    seen = asyncio.Event()

    async def turn() -> None:
        async for _ in source.provider.stream(request("[[say:one two]][[hang]]")):
            seen.set()

    task = asyncio.create_task(turn())
    async with asyncio.timeout(10):
        await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        await source.server.dropped.wait()


async def test_silence_ends_with_the_deadline_of_the_request(source: Source) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(source.provider, request("[[say:one two]][[hang]]", timeout_s=0.1))
    assert caught.value.fault is ProviderFault.UNREACHABLE
    assert "0.1 seconds" in caught.value.message


async def test_a_late_first_byte_is_silence_too(source: Source) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(source.provider, request("[[delay:20000]]", timeout_s=0.1))
    assert caught.value.fault is ProviderFault.UNREACHABLE


@pytest.mark.parametrize("flaw", ["cut", "garbage", "nostop"])
async def test_a_stream_that_makes_no_sense_is_broken(source: Source, flaw: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(source.provider, request(f"[[say:one two]][[{flaw}]]"))
    assert caught.value.fault is ProviderFault.BROKEN


async def test_after_a_failure_the_next_request_works(source: Source) -> None:
    with pytest.raises(ProviderError):
        await collect(source.provider, request("[[say:one]][[cut]]"))
    assert text_of(await collect(source.provider, request("[[say:fine]]"))) == "fine"


async def test_the_key_goes_to_the_server_and_nowhere_else(source: Source) -> None:
    await collect(source.provider, request("hello"))
    assert any(KEY in value for value in source.server.headers.values())
    assert KEY not in str(source.server.requests[-1])


async def test_streams_run_side_by_side(source: Source) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(collect(source.provider, request(f"[[say:answer {n}]][[gap:1]]")))
            for n in range(8)
        ]
    assert [text_of(task.result()) for task in tasks] == [f"answer {n}" for n in range(8)]
