"""What a run is asked to do, how it ends, and what a watcher hears meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import msgspec

from carapace.agent.providers.ports import ImagePart, ThinkingLevel
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.agent import AgentResult
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.sessions.types import Route

__all__ = [
    "CutRun",
    "RunEnded",
    "RunOutcome",
    "RunSource",
    "RunState",
    "RunUpdate",
    "StopReason",
    "Submission",
    "TextUpdate",
    "provenance_of",
]


class RunSource(StrEnum):
    """Whose words start a run; its authority follows from it and never widens (group J)."""

    OPERATOR = "operator"  # a person at one of our own clients
    HTTP = "http"  # a program that holds our credential
    OUTSIDE = "outside"  # somebody else: a channel, a webhook, output of another program


class RunState(StrEnum):
    """Where a turn's row stands; all but the first are final."""

    ACCEPTED = "accepted"
    DONE = "done"
    ERROR = "error"
    ABORTED = "aborted"
    TIMEOUT = "timeout"
    CUT = "cut"


class StopReason(StrEnum):
    """Why a run was ended before its model was done."""

    RPC = "rpc"
    STOP = "stop"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One message that wants an answer.

    Attributes:
        run_id: The caller's idempotency key.
        session_key: Canonical.
        shown_key: As the caller wrote it; events name the session so.
        agent_id: Whose prompt, workspace and model are used.
        message: The text; blank is fine beside images.
        images: Pictures, already checked.
        thinking: None takes the session's level, then the agent's.
        timeout_s: None or 0 takes the agent's.
        extra_system_prompt: Put after the stable part of the system prompt.
        lane: A label of the caller, kept with the turn.
        source: Whose words these are.
        as_chat: Typed into a chat: `/new` and `/status` are commands, and the model sees the
            message's id behind its text.
        may_reset: Whether the caller may reset sessions; without it `/new` is refused, so that
            a chat message is no second door to `sessions.reset`.
        route: Where the message came from, kept with its session; None leaves what is there.
    """

    run_id: RunId
    session_key: SessionKey
    shown_key: str
    agent_id: AgentId
    message: str
    images: tuple[ImagePart, ...] = ()
    thinking: ThinkingLevel | None = None
    timeout_s: float | None = None
    extra_system_prompt: str | None = None
    lane: str = "main"
    source: RunSource = RunSource.OPERATOR
    as_chat: bool = False
    may_reset: bool = False
    route: Route | None = None


_PROVENANCE: Final[dict[RunSource, Provenance]] = {
    RunSource.OPERATOR: OWNER,
    RunSource.HTTP: Provenance(origin=Origin.HTTP, authority=Authority.OWNER),
    RunSource.OUTSIDE: Provenance(origin=Origin.OUTSIDE, authority=Authority.OUTSIDE),
}


def provenance_of(submission: Submission) -> Provenance:
    """Whose words a run follows."""
    return _PROVENANCE[submission.source]


class RunOutcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a run ended; stored as JSON with its turn, without the prompt report.

    Attributes:
        state: A final one.
        status: What `agent` and `agent.wait` answer. A model's refusal is `ok`: the text of
            the refusal is the answer, as clients of the Node gateway expect.
        summary: A word for programs, or the error's text.
        started_at_ms: When the turn left its queue; None if it never did.
        error: For people, with `status` error.
    """

    state: RunState
    status: Literal["ok", "error"]
    summary: str
    ended_at_ms: int
    started_at_ms: int | None = None
    result: AgentResult | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TextUpdate:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last update of a run."""

    outcome: RunOutcome


RunUpdate = TextUpdate | RunEnded


@dataclass(frozen=True, slots=True)
class CutRun:
    """A run that a restart ended; reported to the clients that connect next."""

    run_id: RunId
    session_key: SessionKey
    shown_key: str
    error: str
