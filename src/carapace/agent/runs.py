"""Runs: what lives in memory of a turn, and the book that finds them by id.

A finished run stays in the book for five minutes, at most a thousand of them; after that its
row in the store answers (`carapace.agent.records`).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from carapace.agent.opening import Opening
from carapace.agent.stream import ReplyStream
from carapace.agent.types import (
    RunEnded,
    RunOutcome,
    RunUpdate,
    StopReason,
    Submission,
    TextUpdate,
)
from carapace.ids import RunId, SessionKey

__all__ = ["KEEP_FINISHED_S", "MAX_FINISHED", "Run", "RunBook"]

KEEP_FINISHED_S: Final = 300.0
MAX_FINISHED: Final = 1_000


class Run:
    """One turn from its acceptance to its outcome.

    Attributes:
        submission: What was asked.
        accepted_at_ms: When the message was on disk.
        begins_session: Its message is the first of a transcript.
        opening: What its turn reads first, if that was read when the message was written down
            and nothing stood between the two.
        is_owed: It ended here without an outcome on disk; its inbox rows begin it again.
        is_closing: Its outcome is being written; it can no longer be stopped.
        is_replayed: True if this object stands for a run that ended before a restart or
            longer ago than the book remembers.
        session_id: Of the transcript the message went into.
        started_at_ms: When it got its lane.
        stop_reason: Set once somebody ended it early.
        outcome: Set once, at the end.
        reply: Its events.
        task: Does the work while the run has its lane.
    """

    __slots__ = (
        "_changed",
        "_settled",
        "_text",
        "accepted_at_ms",
        "begins_session",
        "is_closing",
        "is_owed",
        "is_replayed",
        "opening",
        "outcome",
        "reply",
        "session_id",
        "started_at_ms",
        "stop_reason",
        "submission",
        "task",
    )

    def __init__(self, submission: Submission, *, accepted_at_ms: int) -> None:
        self.submission = submission
        self.accepted_at_ms = accepted_at_ms
        self.begins_session = False
        self.is_closing = False
        self.is_owed = False
        self.is_replayed = False
        self.opening: Opening | None = None
        self.session_id = ""
        self.started_at_ms: int | None = None
        self.stop_reason: StopReason | None = None
        self.outcome: RunOutcome | None = None
        self.reply = ReplyStream(
            submission.run_id, submission.shown_key, is_quiet=submission.is_quiet
        )
        self.task: asyncio.Task[None] | None = None
        self._text = ""
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()

    @property
    def run_id(self) -> RunId:
        """The caller's idempotency key."""
        return self.submission.run_id

    @property
    def session_key(self) -> SessionKey:
        """Canonical."""
        return self.submission.session_key

    def settle(self) -> None:
        """Say that the acceptance was decided: the message is on disk, or the run is gone."""
        self._settled.set()

    async def settled(self) -> None:
        """Wait for `settle`; bounded by the store's own deadline."""
        await self._settled.wait()

    def say(self, more: str) -> None:
        """Add to the text that `updates` hands out."""
        self._text += more
        self._wake()

    def stop(self, reason: StopReason) -> bool:
        """Mark the run as stopped and cancel its work; False if it ends or was stopped.

        Work that has its lane but has not begun is not cancelled: a task that is cancelled
        before its first step never runs its cleanup. It looks at `stop_reason` first.
        """
        if self.is_closing or self.outcome is not None or self.stop_reason is not None:
            return False
        self.stop_reason = reason
        if self.task is not None and self.started_at_ms is not None:
            self.task.cancel()
        return True

    def end(self, outcome: RunOutcome) -> None:
        """Set the outcome and wake everybody who waits."""
        if self.outcome is None:
            self.outcome = outcome
            self.settle()
            self._wake()

    async def ended(self) -> RunOutcome:
        """Wait for the outcome."""
        while self.outcome is None:
            await self._changed.wait()
        return self.outcome

    async def updates(self) -> AsyncGenerator[RunUpdate, None]:
        """The text so far, then each addition, then the end.

        A reader that is slow gets larger pieces, not a longer queue.
        """
        given = 0
        while True:
            if given < len(self._text):
                more, given = self._text[given:], len(self._text)
                yield TextUpdate(more)
            elif self.outcome is not None:
                yield RunEnded(self.outcome)
                return
            else:
                await self._changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class RunBook:
    """All runs that live, and those that ended lately."""

    def __init__(
        self, *, keep_s: float = KEEP_FINISHED_S, max_finished: int = MAX_FINISHED
    ) -> None:
        self._keep_s = keep_s
        self._max_finished = max_finished
        self._live: dict[RunId, Run] = {}
        self._finished: OrderedDict[RunId, tuple[float, Run]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live) + len(self._finished)

    def add(self, run: Run) -> None:
        """Take a run in that lives."""
        self._live[run.run_id] = run

    def forget(self, run: Run) -> None:
        """Drop a run whose acceptance failed."""
        self._live.pop(run.run_id, None)

    def finish(self, run: Run, now_s: float) -> None:
        """Move a run to those that ended; `now_s` is monotonic."""
        self._live.pop(run.run_id, None)
        self._finished[run.run_id] = (now_s + self._keep_s, run)
        self._finished.move_to_end(run.run_id)
        self._expire(now_s)

    def get(self, run_id: RunId, now_s: float) -> Run | None:
        """The run of that id, if it lives or ended lately."""
        self._expire(now_s)
        live = self._live.get(run_id)
        if live is not None:
            return live
        kept = self._finished.get(run_id)
        return kept[1] if kept else None

    def live(self, session_key: SessionKey | None = None) -> Iterator[Run]:
        """Runs that have not ended, of one session or of all, oldest first."""
        for run in list(self._live.values()):
            if session_key is None or run.session_key == session_key:
                yield run

    def _expire(self, now_s: float) -> None:
        while self._finished:
            run_id, (until_s, _) = next(iter(self._finished.items()))
            if until_s > now_s and len(self._finished) <= self._max_finished:
                return
            del self._finished[run_id]
