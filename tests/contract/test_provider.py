"""What every provider keeps, whatever its wire format: one suite, run on all of them.

A provider joins by a row in `EVERYONE`: a context manager that yields an `Anyone`. Those that
speak HTTP are also rows of `SOURCES`, with the scripted server behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from carapace.agent.providers.local import LocalProvider
from carapace.agent.providers.local_process import COMMAND
from carapace.agent.providers.ports import (
    ForcedCall,
    ImagePart,
    ModelMessage,
    ModelRequest,
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
from carapace.agent.weights.library import Library
from carapace.clock import SystemClock
from carapace.config.settings.models import EmbeddedSettings
from support.fake_llm import FakeLlm, fake_llm
from support.local_models import smallest_model
from support.local_worker import COMMAND as SCRIPTED_WORKER
from support.providers import KEY, collect, provider, request, spec, text_of, user
from support.scripted_provider import Hang, Script, ScriptedProvider, call_tool, say

CLOCK = ToolSpec(
    "current_time", "Tell the current date and time.", {"type": "object", "properties": {}}
)


@dataclass
class Source:
    """A provider and the scripted server behind it."""

    provider: Provider
    server: FakeLlm


@dataclass
class Anyone:
    """Any provider, and what to say to it.

    Attributes:
        words: Answered with these words, in pieces.
        tool: Answered with a call of `CLOCK`.
        endless: Answered with something that does not end soon.
        failing: Fails, None where nothing does.
    """

    provider: Provider
    words: str = "[[say:one two three]]"
    tool: str = "[[tool:current_time {}]]"
    endless: str = "[[say:one two]][[hang]]"
    failing: str | None = "[[error:500]]"


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


def _of_vendor(api: Api) -> Callable[[Path], AbstractAsyncContextManager[Anyone]]:
    @asynccontextmanager
    async def made(_: Path) -> AsyncGenerator[Anyone]:
        async with _over(api)() as source:
            yield Anyone(source.provider)

    return made


def _play(asked: ModelRequest) -> Script:
    """The directives of the scripted server, as far as the port needs them."""
    if asked.messages[-1].role == "tool":
        return say("Tool said")
    part = asked.messages[-1].parts[0]
    text = part.text if isinstance(part, TextPart) else ""
    if "[[error" in text:
        return (ProviderError(ProviderFault.OVERLOADED, "HTTP 500: fake", status=500),)
    if "[[hang]]" in text:
        return (TextDelta("one "), Hang())
    if "[[tool" in text:
        return call_tool(CLOCK.name)
    return say("one ", "two ", "three")


@asynccontextmanager
async def _scripted(_: Path) -> AsyncGenerator[Anyone]:
    yield Anyone(ScriptedProvider(_play))


@asynccontextmanager
async def _local(model: Path, *, is_real: bool) -> AsyncGenerator[Anyone]:
    settings = EmbeddedSettings(model=str(model), context_tokens=2_048, threads=1)
    command = COMMAND if is_real else SCRIPTED_WORKER
    made = LocalProvider(settings, Library(model.parent), clock=SystemClock(), command=command)
    try:
        if is_real:
            yield Anyone(
                made,
                words="Say exactly: one two three",
                tool="What time is it now?",
                endless="Write a very long story about a lighthouse.",
                failing=None,
            )
        else:
            yield Anyone(made, "echo: one two three", "tool: current_time", "hang", "fail")
    finally:
        await made.aclose()


@asynccontextmanager
async def _local_scripted(folder: Path) -> AsyncGenerator[Anyone]:
    model = folder / "own.gguf"
    model.write_bytes(b"GGUF")
    async with _local(model, is_real=False) as anyone:
        yield anyone


@asynccontextmanager
async def _local_real(_: Path) -> AsyncGenerator[Anyone]:
    pytest.importorskip("xllamacpp")
    model = smallest_model()
    if model is None:
        pytest.skip("no weights: set CARAPACE_TEST_MODELS or run cara model pull small")
    async with _local(model, is_real=True) as anyone:
        yield anyone


APIS = (
    Api.OPENAI_COMPLETIONS,
    Api.OPENAI_RESPONSES,
    Api.ANTHROPIC_MESSAGES,
    Api.GOOGLE_GENERATIVE_AI,
)
SOURCES = {str(api): _over(api) for api in APIS}
EVERYONE = [
    *(pytest.param(_of_vendor(api), id=str(api)) for api in APIS),
    pytest.param(_scripted, id="scripted"),
    pytest.param(_local_scripted, id="embedded", marks=pytest.mark.slow),
    pytest.param(_local_real, id="embedded-real", marks=[pytest.mark.slow, pytest.mark.model]),
]


@pytest.fixture(params=SOURCES.values(), ids=list(SOURCES))
async def source(request: pytest.FixtureRequest) -> AsyncGenerator[Source]:
    async with request.param() as made:
        yield made


@pytest.fixture(params=EVERYONE)
async def anyone(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Anyone]:
    async with request.param(tmp_path) as made:
        yield made


# ---- what everyone keeps -------------------------------------------------------------------


def patient(text: str, **fields: object) -> ModelRequest:
    """A request that a loaded machine's model may take its time for."""
    return request(text, **{"timeout_s": 120.0, "max_tokens": 24, **fields})


async def test_an_answer_is_pieces_then_usage_once_then_one_stop(anyone: Anyone) -> None:
    events = await collect(anyone.provider, patient(anyone.words))
    assert "two" in text_of(events).lower()
    assert sum(isinstance(event, TextDelta) for event in events) > 1
    assert [type(event) for event in events if not isinstance(event, TextDelta)] == [Usage, Stop]
    assert isinstance(events[-1], Stop)
    assert events[-1].reason in {"stop", "length"}


async def test_a_tool_is_called_whole_and_its_result_is_answered(anyone: Anyone) -> None:
    asked = patient(anyone.tool, tools=(CLOCK,))
    events = await collect(anyone.provider, asked)
    [call] = [event for event in events if isinstance(event, ToolCall)]
    assert (call.name, isinstance(msgspec.json.decode(call.arguments), dict)) == (CLOCK.name, True)
    assert call.id
    assert events[-1] == Stop("tool_calls")
    followed = (
        *asked.messages,
        ModelMessage("assistant", (call,)),
        ModelMessage("tool", (ToolResult(call.id, call.name, "It is noon."),)),
    )
    answer = await collect(anyone.provider, patient("", messages=followed, tools=(CLOCK,)))
    assert text_of(answer).strip()
    assert not any(isinstance(event, ToolCall) for event in answer)


async def test_a_stream_that_is_closed_early_leaves_room_for_the_next(anyone: Anyone) -> None:
    asked = patient(anyone.endless, max_tokens=1_000)
    async with aclosing(anyone.provider.stream(asked)) as events:
        assert isinstance(await anext(events), TextDelta)
    async with asyncio.timeout(60):
        assert text_of(await collect(anyone.provider, patient(anyone.words)))


async def test_a_cancelled_turn_is_cancelled_and_the_next_works(anyone: Anyone) -> None:
    begun = asyncio.Event()

    async def turn() -> None:
        async for _ in anyone.provider.stream(patient(anyone.endless, max_tokens=1_000)):
            begun.set()

    task = asyncio.create_task(turn())
    async with asyncio.timeout(60):
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert text_of(await collect(anyone.provider, patient(anyone.words)))


async def test_a_failure_is_a_provider_error_and_the_next_request_works(anyone: Anyone) -> None:
    if anyone.failing is None:
        pytest.skip("nothing makes a real engine fail on request")
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            await collect(anyone.provider, patient(anyone.failing))
        assert caught.value.message
    assert text_of(await collect(anyone.provider, patient(anyone.words)))


async def test_requests_that_come_together_are_all_answered(anyone: Anyone) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(collect(anyone.provider, patient(anyone.words))) for _ in range(3)
        ]
    assert all(text_of(task.result()) for task in tasks)


# ---- what those that speak HTTP keep -------------------------------------------------------


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
    ask = '[[tool:current_time {"zone":"UTC"}]]'
    events = await collect(source.provider, request(ask, tools=(CLOCK,)))
    [call] = [event for event in events if isinstance(event, ToolCall)]
    assert call.id
    assert call.name == "current_time"
    assert msgspec.json.decode(call.arguments) == {"zone": "UTC"}
    assert events[-1] == Stop("tool_calls")
    followed = (
        user(ask),
        ModelMessage("assistant", (TextPart("Let me look."), call)),
        ModelMessage("tool", (ToolResult(call.id, "current_time", "It is noon."),)),
    )
    answer = await collect(source.provider, request("", messages=followed, tools=(CLOCK,)))
    assert text_of(answer) == "Tool said: It is noon."
    assert answer[-1] == Stop("stop")


async def test_a_call_that_the_model_broke_can_be_sent_back(source: Source) -> None:
    broken = ToolCall("call_1", "current_time", '{"zone":')
    followed = (
        user("what time is it"),
        ModelMessage("assistant", (broken,)),
        ModelMessage("tool", (ToolResult("call_1", "current_time", "not JSON", is_error=True),)),
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


async def test_a_refusal_reads_the_same_once_the_connection_is_known(source: Source) -> None:
    assert text_of(await collect(source.provider, request("[[say:fine]]"))) == "fine"
    with pytest.raises(ProviderError) as caught:
        await collect(source.provider, request("[[error:429]][[retry:7]]"))
    refused = caught.value
    assert (refused.fault, refused.status) == (ProviderFault.RATE_LIMIT, 429)
    assert (refused.message, refused.retry_after_s) == ("HTTP 429: fake error 429", 7)
    assert any(KEY in value for value in source.server.headers.values())
    assert text_of(await collect(source.provider, request("[[say:again]]"))) == "again"


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


CHOICES: dict[str, object] = {
    "completions": {"type": "function", "function": {"name": "current_time"}},
    "responses": {"type": "function", "name": "current_time"},
    "messages": {"type": "tool", "name": "current_time"},
    "fake-1:streamGenerateContent": {"mode": "ANY", "allowedFunctionNames": ["current_time"]},
}


async def test_a_forced_call_is_received_in_the_vendors_words(source: Source) -> None:
    forced = ForcedCall("current_time")
    asked = request("[[tool:current_time {}]]", tools=(CLOCK,), forced_call=forced)
    events = await collect(source.provider, asked)
    assert events[-1] == Stop("tool_calls")
    received = source.server.requests[-1]
    body, dialect = received["body"], received["path"].rpartition("/")[2]
    choice = body.get("tool_choice") or body["toolConfig"]["functionCallingConfig"]
    assert choice == CHOICES[dialect]
