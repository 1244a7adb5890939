"""Deadlines, closing and errors of one stream, with a source a test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from carapace.agent.providers.ports import (
    ModelEvent,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
)
from carapace.agent.providers.sse import MAX_EVENT_BYTES, SseEvent
from carapace.agent.providers.streaming import Deadlines, Opened, SseStream, broken, relay


class Words:
    """Every piece is a word; the piece `.` ends."""

    def __init__(self) -> None:
        self.is_done = False

    def event(self, event: SseEvent) -> Iterable[ModelEvent]:
        self.is_done = event.data == b"."
        if not self.is_done:
            yield TextDelta(event.data.decode())

    def finish(self) -> Iterable[ModelEvent]:
        if not self.is_done:
            raise broken("no end")
        yield Stop("stop")


class Line:
    """A connection that gives `pieces`, then does `then`."""

    def __init__(self, *pieces: str, then: Exception | str = "end") -> None:
        self.pieces = pieces
        self.then = then
        self.is_closed = False
        self.was_drained = False

    async def read(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield f"data: {piece}\n\n".encode()
        if isinstance(self.then, Exception):
            raise self.then
        if self.then == "hang":
            await asyncio.Event().wait()
        if self.then == "flood":
            yield b"x" * (MAX_EVENT_BYTES + 1)
        self.was_drained = True

    async def close(self) -> None:
        self.is_closed = True

    async def open(self) -> Opened[bytes]:
        return Opened(self.read(), self.close)


def explain(error: Exception) -> ProviderError:
    return ProviderError(ProviderFault.UNREACHABLE, f"explained: {error}")


async def nothing() -> None:
    """Nothing to prepare."""


async def run(line: Line, deadlines: Deadlines | None = None) -> list[ModelEvent]:
    events = relay(
        line.open,
        SseStream(Words()),
        deadlines=deadlines or Deadlines(),
        silence_s=0.05,
        explain=explain,
        prepare=nothing,
    )
    return [event async for event in events]


async def test_a_whole_answer_is_read_to_its_end_so_the_connection_can_serve_again() -> None:
    line = Line("one", "two", ".")
    assert await run(line) == [TextDelta("one"), TextDelta("two"), Stop("stop")]
    assert line.was_drained
    assert line.is_closed


@pytest.mark.parametrize("then", ["hang", OSError("late")])
async def test_what_comes_after_the_stop_cannot_hurt(then: str | Exception) -> None:
    line = Line("one", ".", then=then)
    assert (await run(line))[-1] == Stop("stop")
    assert line.is_closed


@pytest.mark.parametrize(
    ("then", "fault"),
    [
        ("end", ProviderFault.BROKEN),
        ("flood", ProviderFault.BROKEN),
        ("hang", ProviderFault.UNREACHABLE),
        (OSError("reset"), ProviderFault.BROKEN),
        (ProviderError(ProviderFault.RATE_LIMIT, "told"), ProviderFault.RATE_LIMIT),
    ],
)
async def test_every_bad_end_is_a_provider_error(
    then: str | Exception, fault: ProviderFault
) -> None:
    line = Line("one", then=then)
    with pytest.raises(ProviderError) as caught:
        await run(line)
    assert caught.value.fault is fault
    assert line.is_closed


async def test_a_fault_that_is_no_lost_connection_keeps_its_name() -> None:
    line = Line("one", then=OSError("x"))

    def other(_: Exception) -> ProviderError:
        return ProviderError(ProviderFault.OVERLOADED, "busy")

    events = relay(
        line.open,
        SseStream(Words()),
        deadlines=Deadlines(),
        silence_s=1,
        explain=other,
        prepare=nothing,
    )
    with pytest.raises(ProviderError, match="busy"):
        _ = [event async for event in events]


async def test_the_total_deadline_ends_a_stream_that_never_pauses() -> None:
    line = Line("one", then="hang")
    with pytest.raises(ProviderError) as caught:
        await run(line, Deadlines(total_s=0.01))
    assert caught.value.fault is ProviderFault.UNREACHABLE


async def test_errors_before_the_answer_are_explained() -> None:
    async def refuse() -> Opened[bytes]:
        raise OSError("no route")

    events = relay(
        refuse,
        SseStream(Words()),
        deadlines=Deadlines(),
        silence_s=1,
        explain=explain,
        prepare=nothing,
    )
    with pytest.raises(ProviderError, match="explained: no route"):
        await anext(events)


async def test_preparing_is_no_silence() -> None:
    async def slow() -> None:
        await asyncio.sleep(0.08)

    events = relay(
        Line("one", ".").open,
        SseStream(Words()),
        deadlines=Deadlines(),
        silence_s=0.05,
        explain=explain,
        prepare=slow,
    )
    assert await anext(events) == TextDelta("one")
    await events.aclose()


async def test_closing_early_closes_the_connection() -> None:
    line = Line("one", then="hang")
    events = relay(
        line.open,
        SseStream(Words()),
        deadlines=Deadlines(),
        silence_s=1,
        explain=explain,
        prepare=nothing,
    )
    await anext(events)
    await events.aclose()
    assert line.is_closed
