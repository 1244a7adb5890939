"""The next model answers when one fails, but never behind the person's back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from carapace.agent.providers.fallback import ModelTarget, attempt_order, stream_with_fallback
from carapace.agent.providers.ports import (
    ModelEvent,
    ModelRequest,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
    ThinkingDelta,
    ToolCall,
)
from support.clock import FakeClock
from support.providers import request


class Plays:
    """Each request plays the next list; an error in it is raised."""

    def __init__(self, *plays: Sequence[ModelEvent | ProviderError]) -> None:
        self.plays = list(plays)
        self.asked: list[str] = []
        self.is_closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.asked.append(request.model)
        try:
            for step in self.plays.pop(0):
                if isinstance(step, ProviderError):
                    raise step
                yield step
        finally:
            self.is_closed = True

    async def aclose(self) -> None:
        """Nothing is held."""


def fails(fault: ProviderFault, retry_after_s: float | None = None) -> list[ProviderError]:
    return [ProviderError(fault, f"{fault} here", status=503, retry_after_s=retry_after_s)]


FINE = [TextDelta("fine"), Stop("stop")]


def target(name: str, *plays: Sequence[ModelEvent | ProviderError]) -> ModelTarget:
    return ModelTarget(name, f"{name}-model", Plays(*plays))


async def run(
    targets: Sequence[ModelTarget], clock: FakeClock, failed: set[str] | None = None
) -> tuple[list[str], str]:
    names: list[str] = []
    text = ""
    async for who, event in stream_with_fallback(targets, request("hi"), clock, failed=failed):
        names.append(who.provider_name)
        text += event.text if isinstance(event, TextDelta) else ""
    return sorted(set(names)), text


@pytest.mark.parametrize(
    "fault",
    [
        ProviderFault.AUTH,
        ProviderFault.RATE_LIMIT,
        ProviderFault.OVERLOADED,
        ProviderFault.UNREACHABLE,
        ProviderFault.BAD_REQUEST,
        ProviderFault.BROKEN,
    ],
)
async def test_the_next_one_answers_with_its_own_model(fault: ProviderFault) -> None:
    first, second = target("a", fails(fault)), target("b", FINE)
    assert await run([first, second], FakeClock()) == (["b"], "fine")
    assert isinstance(second.provider, Plays)
    assert second.provider.asked == ["b-model"]


async def test_a_thought_alone_is_no_answer_yet() -> None:
    first = target("a", [ThinkingDelta("hm"), *fails(ProviderFault.OVERLOADED)])
    assert await run([first, target("b", FINE)], FakeClock()) == (["a", "b"], "fine")


@pytest.mark.parametrize("shown", [TextDelta("half"), ToolCall("c", "x", "{}")])
async def test_once_something_was_passed_on_nobody_else_takes_over(shown: ModelEvent) -> None:
    first, second = target("a", [shown, *fails(ProviderFault.OVERLOADED)]), target("b", FINE)
    with pytest.raises(ProviderError, match="overloaded here"):
        await run([first, second], FakeClock())
    assert isinstance(second.provider, Plays)
    assert second.provider.asked == []


async def test_a_conversation_that_is_too_long_is_told_at_once() -> None:
    with pytest.raises(ProviderError) as caught:
        await run([target("a", fails(ProviderFault.CONTEXT)), target("b", FINE)], FakeClock())
    assert caught.value.fault is ProviderFault.CONTEXT


async def test_when_all_fail_the_primary_speaks_first() -> None:
    targets = [
        target("a", fails(ProviderFault.RATE_LIMIT, 5.0)),
        target("b", fails(ProviderFault.AUTH)),
    ]
    with pytest.raises(ProviderError) as caught:
        await run(targets, FakeClock())
    assert caught.value.message == "rate_limit here (then tried b/b-model: auth here)"
    assert caught.value.fault is ProviderFault.RATE_LIMIT
    assert (caught.value.status, caught.value.retry_after_s) == (503, 5.0)


async def test_a_single_failure_keeps_its_words() -> None:
    with pytest.raises(ProviderError) as caught:
        await run([target("a", fails(ProviderFault.BAD_REQUEST))], FakeClock())
    assert caught.value.message == "bad_request here"


async def test_one_turn_asks_a_failed_model_only_once() -> None:
    clock, failed = FakeClock(), set[str]()
    first, second = target("a", fails(ProviderFault.BROKEN), FINE), target("b", FINE, FINE)
    await run([first, second], clock, failed)
    assert failed == {"a/a-model"}
    assert await run([first, second], clock, failed) == (["b"], "fine")
    failed.add("b/b-model")
    with pytest.raises(ProviderError, match="each one failed earlier"):
        await run([first, second], clock, failed)


async def test_the_primary_is_back_when_its_rest_is_over() -> None:
    clock = FakeClock()
    first, second = target("a", fails(ProviderFault.OVERLOADED), FINE), target("b", FINE, FINE)
    await run([first, second], clock)
    assert await run([first, second], clock) == (["b"], "fine")
    await clock.advance(15.0)
    assert await run([first, second], clock) == (["a"], "fine")


async def test_a_resting_model_is_still_asked_if_there_is_no_other() -> None:
    clock = FakeClock()
    only = target("a", fails(ProviderFault.OVERLOADED), FINE)
    with pytest.raises(ProviderError):
        await run([only], clock)
    assert await run([only], clock) == (["a"], "fine")


async def test_a_short_wait_that_was_asked_for_is_kept() -> None:
    clock = FakeClock()
    only = target("a", fails(ProviderFault.RATE_LIMIT, 4.0), FINE)
    with pytest.raises(ProviderError):
        await run([only], clock)
    waiting = asyncio.create_task(run([only], clock))
    await clock.advance(3.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert await waiting == (["a"], "fine")


async def test_a_long_wait_is_told_instead() -> None:
    clock = FakeClock()
    only = target("a", fails(ProviderFault.RATE_LIMIT, 60.0), FINE)
    with pytest.raises(ProviderError):
        await run([only], clock)
    with pytest.raises(ProviderError, match="60 more seconds") as caught:
        await run([only], clock)
    assert caught.value.retry_after_s == 60.0


async def test_closing_early_closes_the_models_stream() -> None:
    only = target("a", FINE)
    events = stream_with_fallback([only], request("hi"), FakeClock())
    await anext(events)
    await events.aclose()
    assert isinstance(only.provider, Plays)
    assert only.provider.is_closed


def test_resting_models_come_last_soonest_back_first() -> None:
    a, b, c = target("a"), target("b"), target("c")
    a.cooling.until_s, b.cooling.until_s = 50.0, 20.0
    assert [t.provider_name for t in attempt_order([a, b, c], now_s=1.0)] == ["c", "b", "a"]
