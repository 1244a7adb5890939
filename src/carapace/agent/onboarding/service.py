"""The one set of questions that may be open, by its id: begun, answered, cancelled, looked at.

It lives in memory: a client that lost its connection goes on with the id, and one that was left
behind gives way after a while. A restart forgets it; nothing of it had been written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from carapace.agent.onboarding.machine import answered, next_question
from carapace.agent.onboarding.plan import plan_of
from carapace.agent.onboarding.ports import SetupTarget
from carapace.agent.onboarding.types import Answers, Facts, Question
from carapace.clock import Clock
from carapace.errors import Failed, GatewayError, Refused
from carapace.ids import new_id
from carapace.value import Value

__all__ = ["Onboarding", "Progress", "Status"]

Status = Literal["running", "done", "cancelled", "error"]
_IDLE_S: Final = 900.0
_NO_STEP: Final = "Error: wizard: no pending step"


class Progress(Value, frozen=True, kw_only=True):
    """How far it is.

    Attributes:
        session_id: Whose.
        step_id: Of the open question.
        question: The open question; None when it is over.
        status: `error` if the answers could not be written.
        error: Why it is over, unless it is done.
    """

    session_id: str
    step_id: str = ""
    question: Question | None = None
    status: Status = "running"
    error: str | None = None


@dataclass(slots=True)
class _Session:
    """Questions that are being answered."""

    facts: Facts
    answers: Answers
    used_s: float
    id: str = field(default_factory=new_id)
    step_id: str = field(default_factory=new_id)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Onboarding:
    """Asks.

    Args:
        target: What is set up.
        clock: For questions that nobody answers.
    """

    def __init__(self, target: SetupTarget, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        self._open: _Session | None = None

    async def start(self, workspace: str | None = None) -> Progress:
        """Begin.

        Args:
            workspace: Folder for the agent's files, if a client knows one.

        Raises:
            Failed: If questions are being answered already.
        """
        if self._open is not None and self._clock.monotonic() - self._open.used_s < _IDLE_S:
            raise Failed("wizard already running")
        session = _Session(Facts(sources=()), Answers(), self._clock.monotonic())
        self._open = session  # before the wait: a second client must not begin meanwhile
        try:
            session.facts = await self._target.facts()
        except BaseException:
            self._open = None
            raise
        session.answers = Answers(workspace=(workspace or "").strip() or None)
        return _progress(session)

    def look(self, session_id: str) -> Progress:
        """The open question once more, as for a client that comes back.

        Raises:
            Refused: If there are no such questions.
        """
        return _progress(self._session(session_id))

    async def answer(self, session_id: str, step_id: str, value: Any) -> Progress:
        """Give an answer to the open question; the last one writes everything.

        Raises:
            Refused: If it is no answer to the open question; that stays open.
        """
        session = self._session(session_id)
        async with session.turn:
            if self._open is not session or step_id != session.step_id:
                raise Refused(_NO_STEP)
            before = session.answers
            session.answers = answered(session.facts, before, value)
            if session.answers.is_agreed is False:
                self._open = None
                return Progress(session_id=session.id, status="cancelled", error="cancelled")
            if session.answers.is_agreed and not before.is_agreed:
                written = await self._written(session)
                if written is not None:
                    return written
            session.step_id = new_id()
            found = _progress(session)
            if found.question is None:
                self._open = None
            return found

    def cancel(self, session_id: str) -> Progress:
        """Forget the answers; nothing was written.

        Raises:
            Refused: If there are no such questions.
        """
        session = self._session(session_id)
        self._open = None
        return Progress(session_id=session.id, status="cancelled", error="cancelled")

    async def _written(self, session: _Session) -> Progress | None:
        """Write what was answered; the end of it all if that does not work."""
        try:
            await self._target.write(plan_of(session.facts, session.answers))
        except GatewayError as error:
            self._open = None
            return Progress(session_id=session.id, status="error", error=_why(error))
        return None

    def _session(self, session_id: str) -> _Session:
        session = self._open
        if session is None or session.id != session_id:
            raise Refused("wizard not found")
        session.used_s = self._clock.monotonic()
        return session


def _progress(session: _Session) -> Progress:
    question = next_question(session.facts, session.answers)
    if question is None:
        return Progress(session_id=session.id, status="done")
    return Progress(session_id=session.id, step_id=session.step_id, question=question)


def _why(error: GatewayError) -> str:
    """The message, with the problems of a refused configuration."""
    issues: list[dict[str, str]] = (error.details or {}).get("issues", [])
    return "; ".join([error.message, *(str(one["message"]) for one in issues)])
