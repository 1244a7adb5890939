"""Questions that wait for a person: each has an id, a deadline and exactly one end.

The first answer counts; a second one finds nothing. No answer is no answer: what that means is
for whoever asked, and for a tool it is a no (advisory J08).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from carapace.clock import Clock
from carapace.errors import Failed, Refused
from carapace.ids import new_id
from carapace.protocol.approvals import (
    ApprovalAnswer,
    ApprovalDecision,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalSubject,
)
from carapace.protocol.events import Event, Publish

__all__ = ["MAX_PENDING", "MAX_WAIT_S", "PendingApprovals", "Question"]

MAX_PENDING: Final = 64
MAX_WAIT_S: Final = 3_600.0


@dataclass(slots=True)
class Question:
    """One question and its end.

    Attributes:
        asked: As operators hear it.
        decision: None while nobody has decided, and for good if nobody did in time.
        by: Who decided, a name for people.
        settled: Set at its end.
    """

    asked: ApprovalRequested
    decision: ApprovalDecision | None = None
    by: str | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def answer(self) -> ApprovalAnswer:
        """How it ended, as a client hears it."""
        asked = self.asked
        return ApprovalAnswer(asked.id, self.decision, asked.created_at_ms, asked.expires_at_ms)


class PendingApprovals:
    """All open questions.

    Args:
        publish: Tells operators who may decide.
        clock: For times.
        max_pending: Questions at a time.
    """

    def __init__(self, publish: Publish, clock: Clock, *, max_pending: int = MAX_PENDING) -> None:
        self._publish = publish
        self._clock = clock
        self._max_pending = max_pending
        self._waiting: dict[str, Question] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def open(
        self, subject: ApprovalSubject, timeout_s: float, approval_id: str | None = None
    ) -> Question:
        """Put a question; `wait` for it next.

        Raises:
            Refused: If that id waits already.
            Failed: If too many wait, or the gateway stops.
        """
        approval_id = (approval_id or "").strip() or new_id()
        if approval_id in self._waiting:
            raise Refused("approval id already pending")
        if self._is_closed:
            raise Failed("the gateway is stopping; ask again shortly", retryable=True)
        if len(self._waiting) >= self._max_pending:
            raise Failed(
                f"{self._max_pending} approvals wait already; decide on some of them first.",
                retryable=True,
            )
        now_ms = self._clock.now_ms()
        wait_ms = round(min(timeout_s, MAX_WAIT_S) * 1000)
        question = Question(ApprovalRequested(approval_id, subject, now_ms, now_ms + wait_ms))
        self._waiting[approval_id] = question
        self._publish(Event("exec.approval.requested", question.asked))
        return question

    async def wait(self, question: Question) -> Question:
        """The same question at its end, which comes by its deadline at the latest."""
        asked = question.asked
        timeout_s = (asked.expires_at_ms - asked.created_at_ms) / 1000
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(timeout_s):
                    await question.settled.wait()
            finally:
                # Also for a caller that went away: nobody waits, so nobody may be asked longer.
                self.withdraw(question)
        return question

    def withdraw(self, question: Question) -> None:
        """Ask no longer; one that has ended stays as it is."""
        if self._waiting.get(question.asked.id) is question:
            del self._waiting[question.asked.id]

    def resolve(self, approval_id: str, decision: ApprovalDecision, by: str | None) -> None:
        """Decide, and tell everybody who may.

        Raises:
            Refused: If no such question waits.
        """
        question = self._waiting.pop(approval_id, None)
        if question is None:
            raise Refused("unknown approval id")
        question.decision, question.by = decision, by
        question.settled.set()
        told = ApprovalResolved(
            id=approval_id, decision=decision, resolved_by=by, ts=self._clock.now_ms()
        )
        self._publish(Event("exec.approval.resolved", told))

    def close(self) -> None:
        """End all questions without a decision, and take no more."""
        self._is_closed = True
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            one.settled.set()
