from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from carapace.agent.providers.local import MAX_WAITING, LocalProvider
from carapace.agent.providers.local_keeper import LocalState
from carapace.agent.providers.ports import (
    ForcedCall,
    ModelMessage,
    ModelRequest,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
    TextPart,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapace.agent.weights.library import Library
from carapace.config.settings.models import EmbeddedSettings
from support.clock import FakeClock
from support.local_worker import COMMAND

pytestmark = pytest.mark.slow
TOOL = ToolSpec("current_time", "The time.", {"type": "object", "properties": {}})


@pytest.fixture
async def provider(tmp_path):
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF")
    settings = EmbeddedSettings(model=str(path), context_tokens=512, threads=1)
    made = LocalProvider(settings, Library(tmp_path / "models"), clock=FakeClock(), command=COMMAND)
    yield made
    await made.aclose()


def ask(text, *, tools=(), most=None, timeout_s=20.0):
    message = ModelMessage("user", (TextPart(text),))
    return ModelRequest("", "", (message,), tools, max_tokens=most, timeout_s=timeout_s)


async def events(provider, request):
    return [event async for event in provider.stream(request)]


async def test_text_usage_and_stop(provider):
    assert await events(provider, ask("echo: a b")) == [
        TextDelta("a "),
        TextDelta("b "),
        Usage(7, 2, 2, 0),
        Stop("stop"),
    ]
    assert provider.state is LocalState.READY


async def test_a_bound_of_tokens_is_a_stop_for_length(provider):
    assert (await events(provider, ask("echo: a b c", most=2)))[-1] == Stop("length")


async def test_a_tool_is_chosen_or_none_and_both_steps_are_counted(provider):
    call, usage, stop = await events(provider, ask("tool: current_time", tools=(TOOL,)))
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("current_time", "{}")
    assert (usage, stop) == (Usage(7, 1, 2, 0), Stop("tool_calls"))
    said = await events(provider, ask("echo: a", tools=(TOOL,)))
    assert said == [TextDelta("a "), Usage(14, 2, 4, 0), Stop("stop")]


async def test_a_greeting_is_answered_at_once(provider):
    usage = (await events(provider, ask("Hello!", tools=(TOOL,))))[-2]
    assert usage == Usage(7, 1, 2, 0)


async def test_closing_cancels_and_lets_the_next_in(provider):
    stream = provider.stream(ask("hang"))
    assert await anext(stream) == TextDelta("on ")
    await stream.aclose()
    assert (await events(provider, ask("echo: a")))[0] == TextDelta("a ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("long", ProviderFault.CONTEXT),
        ("fail", ProviderFault.BROKEN),
        ("crash", ProviderFault.UNREACHABLE),
        ("garbage", ProviderFault.UNREACHABLE),
    ],
)
async def test_failures_are_told_by_kind_and_the_next_request_works(provider, text, fault):
    with pytest.raises(ProviderError) as caught:
        await events(provider, ask(text))
    assert caught.value.fault is fault
    assert (await events(provider, ask("echo: a")))[0] == TextDelta("a ")


async def test_one_at_a_time_and_a_few_may_wait(provider):
    stream = provider.stream(ask("hang"))
    await anext(stream)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(events(provider, ask("echo: a"))) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(ProviderError, match="wait for it already") as caught:
            await events(provider, ask("echo: a"))
        assert caught.value.fault is ProviderFault.OVERLOADED
        await stream.aclose()
    assert all(task.result()[-1] == Stop("stop") for task in waiting)


async def test_waiting_has_a_deadline(provider):
    stream = provider.stream(ask("hang"))
    await anext(stream)
    with pytest.raises(ProviderError, match="busy with other requests"):
        await events(provider, ask("echo: a", timeout_s=0.05))
    await stream.aclose()


async def test_warming_loads_before_the_first_request(provider):
    assert provider.worker_pid is None
    await provider.warm()
    pid = provider.worker_pid
    await events(provider, ask("echo: a"))
    assert provider.worker_pid == pid


async def test_new_settings_reach_the_process(provider, tmp_path):
    await provider.warm()
    pid = provider.worker_pid
    path = str(tmp_path / "own.gguf")
    provider.apply(EmbeddedSettings(model=path, context_tokens=600, threads=1))
    await provider.warm()
    assert provider.worker_pid != pid


async def test_a_forced_call_is_chosen_even_for_a_greeting_and_after_a_result(provider):
    """The scripted worker says none to a plain text, which the grammar would not let it."""
    forced = ForcedCall()
    asked = structs.replace(ask("tool: current_time", tools=(TOOL,)), forced_call=forced)
    assert (await events(provider, asked))[-1] == Stop("tool_calls")
    with pytest.raises(ProviderError, match="did not finish"):
        await events(provider, structs.replace(ask("hi", tools=(TOOL,)), forced_call=forced))
    told = ModelMessage("tool", (ToolResult("c", "look", "rain"),))
    later = structs.replace(asked, messages=(*asked.messages, told))
    with pytest.raises(ProviderError, match="did not finish"):
        await events(provider, later)
