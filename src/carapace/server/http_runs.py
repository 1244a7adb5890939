"""A run behind an HTTP request: waited for, or streamed as server-sent events.

Who hangs up while it streams ends the run; who reads too slowly is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

import msgspec
from aiohttp import web

from carapace.agent.types import RunOutcome, StopReason, Submission, TextUpdate
from carapace.errors import Failed, GatewayError
from carapace.ids import RunId
from carapace.server.ports import ChatRuns

__all__ = ["DONE", "EventWords", "event", "run_to_end", "stream_run"]

DONE: Final = b"data: [DONE]\n\n"
_RUN_DEADLINE_S: Final = 3_600.0
_WRITE_DEADLINE_S: Final = 30.0
_ENCODE: Final = msgspec.json.Encoder().encode


class EventWords(Protocol):
    """Puts a run into the events of one endpoint."""

    def begin(self) -> bytes:
        """Before the first text."""
        ...

    def text(self, more: str) -> bytes:
        """More of the answer."""
        ...

    def end(self, outcome: RunOutcome | None) -> bytes:
        """The rest; None if the run was lost."""
        ...


def event(payload: object, name: str | None = None) -> bytes:
    """One server-sent event (HTML standard, section 9.2)."""
    head = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (head, _ENCODE(payload))


async def run_to_end(runs: ChatRuns, submission: Submission) -> RunOutcome:
    """Submit and wait.

    Raises:
        Refused: If it is not taken.
        Failed: If it takes too long.
    """
    await runs.submit(submission)
    outcome = await runs.wait(submission.run_id, _RUN_DEADLINE_S)
    if outcome is None:
        raise Failed("the answer took too long: ask again, or ask for less")
    return outcome


async def stream_run(
    request: web.Request, runs: ChatRuns, submission: Submission, words: EventWords
) -> web.StreamResponse:
    """Submit and stream.

    Raises:
        Refused: If it is not taken; nothing was sent then.
    """
    await runs.submit(submission)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            # A proxy that collects the stream would take its sense away.
            "X-Accel-Buffering": "no",
        }
    )
    outcome: RunOutcome | None = None
    try:
        await response.prepare(request)
        await _write(response, words.begin())
        async for said in _texts(runs, submission.run_id):
            if isinstance(said, RunOutcome):
                outcome = said
            else:
                await _write(response, words.text(said))
        await _write(response, words.end(outcome))
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        # Nobody listens any more: the model need not go on.
        await runs.abort(submission.session_key, submission.run_id, StopReason.RPC)
        response.force_close()
        if request.transport is not None:
            request.transport.abort()
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    if data:
        async with asyncio.timeout(_WRITE_DEADLINE_S):
            await response.write(data)


async def _texts(runs: ChatRuns, run_id: RunId) -> AsyncGenerator[str | RunOutcome]:
    """Texts, then the outcome; an agent that fails on the way ends the stream."""
    try:
        async with aclosing(runs.updates(run_id)) as updates:
            async for update in updates:
                if isinstance(update, TextUpdate):
                    yield update.text
                else:
                    yield update.outcome
    except GatewayError:
        return
