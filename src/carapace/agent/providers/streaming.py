"""One answer from a vendor's stream: deadlines, cancellation and errors, the same for all.

An adapter brings two things: how to open the request, and a `Decoder` that turns what
arrives into events. The rest is here, so that no adapter can forget it: connect, first-byte,
silence and total deadlines; a broken or silent stream is a `ProviderError`; closing the
generator closes the HTTP response at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from carapace.agent.providers.ports import ModelEvent, ProviderError, ProviderFault
from carapace.agent.providers.sse import SseDecoder, SseEvent, SseTooLargeError
from carapace.value import Value

__all__ = ["Deadlines", "Decoder", "EventDecoder", "Opened", "SseStream", "broken", "relay"]

_DRAIN_S = 0.02
_PREPARE_S = 60.0
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Deadlines(Value, frozen=True):
    """How long each stage of one request may take, in seconds.

    The silence between two pieces comes with each request (`ModelRequest.timeout_s`) and
    also bounds the first byte.
    """

    connect_s: float = 10.0
    first_byte_s: float = 120.0
    total_s: float = 900.0


class Decoder(Protocol[T_contra]):
    """Turns the pieces of one answer into events; knows when it is over."""

    @property
    def is_done(self) -> bool:
        """Whether the stop has been seen and nothing more is expected."""
        ...

    def feed(self, piece: T_contra, /) -> Iterable[ModelEvent]:
        """The events that `piece` completes, never `Stop`."""
        ...

    def finish(self) -> Iterable[ModelEvent]:
        """What is left, ended by `Stop`.

        Raises:
            ProviderError: `BROKEN` if the stream ended before the model said why it stopped.
        """
        ...


class EventDecoder(Protocol):
    """A `Decoder` of server-sent events."""

    @property
    def is_done(self) -> bool:
        """As `Decoder.is_done`."""
        ...

    def event(self, event: SseEvent, /) -> Iterable[ModelEvent]:
        """As `Decoder.feed`, for one event."""
        ...

    def finish(self) -> Iterable[ModelEvent]:
        """As `Decoder.finish`."""
        ...


class SseStream:
    """A `Decoder` of bytes: server-sent events in front of an `EventDecoder`."""

    __slots__ = ("_events", "_sse")

    def __init__(self, events: EventDecoder) -> None:
        self._events = events
        self._sse = SseDecoder()

    @property
    def is_done(self) -> bool:
        """Whether the stop has been seen."""
        return self._events.is_done

    def feed(self, piece: bytes) -> Iterable[ModelEvent]:
        """The events that these bytes complete."""
        for event in self._sse.feed(piece):
            yield from self._events.event(event)

    def finish(self) -> Iterable[ModelEvent]:
        """What is left, ended by `Stop`."""
        return self._events.finish()


@dataclass(frozen=True, slots=True)
class Opened(Generic[T]):
    """A response whose head has come: its pieces, and how to let it go."""

    pieces: AsyncIterator[T]
    close: Callable[[], Awaitable[None]]


def broken(detail: str) -> ProviderError:
    """The error for an answer that makes no sense."""
    return ProviderError(ProviderFault.BROKEN, f"The model's answer was cut or garbled: {detail}.")


async def relay(
    open_request: Callable[[], Awaitable[Opened[T]]],
    decoder: Decoder[T],
    *,
    deadlines: Deadlines,
    silence_s: float,
    explain: Callable[[Exception], ProviderError],
    prepare: Callable[[], Awaitable[object]],
) -> AsyncGenerator[ModelEvent, None]:
    """The events of one answer.

    Args:
        prepare: Done first and not counted as silence: a vendor's library may load slowly.
        open_request: Sends the request and returns when the head of the answer is there.
        decoder: Fresh for this answer.
        deadlines: Of the provider.
        silence_s: Longest wait for the next piece.
        explain: Turns an exception of the vendor's library into a `ProviderError`.

    Raises:
        ProviderError: Whatever went wrong; nothing else escapes but cancellation.
    """
    now = asyncio.get_running_loop().time
    await _within(now() + _PREPARE_S, prepare(), _PREPARE_S, explain)
    end = now() + deadlines.total_s
    first = min(deadlines.first_byte_s, silence_s, deadlines.total_s)
    opened = await _within(now() + first, open_request(), first, explain)
    try:
        while not decoder.is_done:
            due = min(now() + silence_s, end)
            piece = await _next(due, opened.pieces, due - now(), explain)
            if piece is None:
                break
            for event in _decoded(decoder, piece):
                yield event
        if decoder.is_done:
            await _drain(opened.pieces)
        for event in decoder.finish():
            yield event
    finally:
        await opened.close()


async def _within(
    due: float,
    work: Awaitable[T],
    wait_s: float,
    explain: Callable[[Exception], ProviderError],
) -> T:
    guard = asyncio.timeout_at(due)
    try:
        async with guard:
            return await work
    except ProviderError:
        raise
    except Exception as error:
        if guard.expired():
            raise _silent(wait_s) from None
        raise explain(error) from error


async def _next(
    due: float,
    pieces: AsyncIterator[T],
    wait_s: float,
    explain: Callable[[Exception], ProviderError],
) -> T | None:
    guard = asyncio.timeout_at(due)
    try:
        async with guard:
            return await anext(pieces, None)
    except ProviderError:
        raise
    except Exception as error:
        if guard.expired():
            raise _silent(wait_s) from None
        raise _cut(explain(error)) from error


def _silent(wait_s: float) -> ProviderError:
    text = f"The model server said nothing for {wait_s:.3g} seconds; try again or another model."
    return ProviderError(ProviderFault.UNREACHABLE, text)


def _cut(error: ProviderError) -> ProviderError:
    """Once the answer has begun, a lost connection is a cut answer."""
    if error.fault is ProviderFault.UNREACHABLE:
        return broken("the connection was lost in the middle")
    return error


def _decoded(decoder: Decoder[T], piece: T) -> Iterable[ModelEvent]:
    try:
        yield from decoder.feed(piece)
    except msgspec.DecodeError as error:
        raise broken("a piece of it is not what the format allows") from error
    except SseTooLargeError as error:
        raise broken("one event of it is larger than 8 MiB") from error


async def _drain(pieces: AsyncIterator[T]) -> None:
    """Read to the end so that the connection can serve again; give up soon.

    What comes after the stop has no meaning, so neither have errors there.
    """
    try:
        async with asyncio.timeout(_DRAIN_S):
            async for _ in pieces:
                pass
    except Exception:  # noqa: BLE001, S110 - the answer is complete, the connection is closed next
        pass
