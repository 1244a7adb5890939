"""A retired provider is closed after its last stream, not before."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from carapace.agent.providers.leased import LeasedProvider
from carapace.agent.providers.ports import ModelEvent, ModelRequest, Stop, TextDelta
from support.providers import request


class Source:
    closed = 0
    ended = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        try:
            yield TextDelta("a")
            yield Stop("stop")
        finally:
            self.ended += 1

    async def aclose(self) -> None:
        self.closed += 1


async def test_it_closes_after_the_last_stream_ends() -> None:
    source = Source()
    leased = LeasedProvider(source)
    first, second = leased.stream(request("a")), leased.stream(request("b"))
    await anext(first)
    await anext(second)
    await leased.retire()
    await first.aclose()
    assert (source.ended, source.closed) == (1, 0)
    assert [event async for event in second] == [Stop("stop")]
    assert (source.ended, source.closed) == (2, 1)


async def test_an_idle_one_closes_at_once_and_only_once() -> None:
    source = Source()
    leased = LeasedProvider(source)
    await leased.retire()
    await leased.retire()
    assert source.closed == 1


async def test_closing_outright_does_not_wait() -> None:
    source = Source()
    leased = LeasedProvider(source)
    events = leased.stream(request("a"))
    await anext(events)
    await leased.aclose()
    assert source.closed == 1
    await events.aclose()
