"""A retired provider is closed after its last stream, not before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from carapace.agent.providers.leased import LeasedProvider
from carapace.agent.providers.ports import (
    Embedded,
    EmbedRequest,
    ModelEvent,
    ModelRequest,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
)
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


class Vectors(Source):
    async def embed(self, request: EmbedRequest) -> Embedded:
        self.began.set()
        await self.go.wait()
        return Embedded(request.model, ((1.0,),), 1)

    def __init__(self) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()


async def test_it_closes_after_the_last_vectors_as_well() -> None:
    source = Vectors()
    leased = LeasedProvider(source)
    async with asyncio.TaskGroup() as tasks:
        made = tasks.create_task(leased.embed(EmbedRequest("e", ("a",))))
        await source.began.wait()
        await leased.retire()
        assert source.closed == 0
        source.go.set()
    assert (made.result().vectors, source.closed) == (((1.0,),), 1)


async def test_a_provider_without_vectors_says_so() -> None:
    with pytest.raises(ProviderError, match="makes no vectors") as caught:
        await LeasedProvider(Source()).embed(EmbedRequest("e", ("a",)))
    assert caught.value.fault is ProviderFault.BAD_REQUEST
