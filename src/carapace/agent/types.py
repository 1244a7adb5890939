"""What a run is asked to do, how it ends, and what a watcher hears meanwhile."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

import msgspec

from carapace.agent.providers.ports import (
    ForcedCall,
    ImagePart,
    ModelMessage,
    ThinkingLevel,
    ToolResult,
    ToolSpec,
)
from carapace.channels.commands import ChatCommand
from carapace.channels.types import ReplyRoute
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.agent import AgentResult
from carapace.protocol.scopes import Scope, allows
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.sessions.types import Route
from carapace.value import Value

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
    "source_of",
    "words_of",
]


class RunSource(StrEnum):
    """Whose words start a run, as the rules for tools and prompts tell them apart (group J).

    It follows from the run's provenance (`source_of`) and is never set by itself.
    """

    OPERATOR = "operator"  # the owner, at one of our own clients or a known chat account
    HTTP = "http"  # a program that holds our credential
    VISITOR = "visitor"  # a person the owner let in, or a member of a group that is allowed
    OUTSIDE = "outside"  # anybody else: strangers, webhooks, other sessions, fetched text


def source_of(provenance: Provenance) -> RunSource:
    """The class of some words; only the owner's, straight from a door of the owner's, are that."""
    if provenance.origin in _DERIVED:
        return RunSource.OUTSIDE
    if provenance.authority is Authority.OWNER:
        return RunSource.HTTP if provenance.origin is Origin.HTTP else RunSource.OPERATOR
    return RunSource.VISITOR if provenance.authority >= Authority.GUEST else RunSource.OUTSIDE


def words_of(scopes: frozenset[Scope], provenance: Provenance = OWNER) -> Provenance:
    """Words that a client with these scopes passes on; it lends them no more than it holds."""
    return provenance if allows(scopes, Scope.ADMIN) else provenance.without_admin()


_DERIVED: Final = frozenset({Origin.HOOK, Origin.SESSION, Origin.OUTSIDE})
"""Words that a program or another agent passed on carry nobody's rights (row E15)."""


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


class Submission(Value, frozen=True, kw_only=True):
    """One message that wants an answer.

    Attributes:
        run_id: The caller's idempotency key.
        session_key: Canonical.
        shown_key: As the caller wrote it; events name the session so.
        agent_id: Whose prompt, workspace and model are used.
        message: The text; blank is fine beside images.
        images: Pictures, already checked.
        thinking: None takes the session's level, then the agent's.
        keeps_thinking: The session keeps the level for later messages: a setting, so only for
            those who may change settings (rows C10 and Q06).
        timeout_s: None or 0 takes the agent's.
        extra_system_prompt: Put after the stable part of the system prompt.
        lane: A label of the caller, kept with the turn.
        provenance: Whose words these are.
        as_chat: Typed into a chat: the model sees the message's id behind its text.
        command: To be done instead of asking the model; the door has checked that its sender
            may. Nobody behind the door reads commands out of a text.
        route: Where the message came from, kept with its session; None leaves what is there.
        is_quiet: Clients see no chat of it: whoever started it decides what of the answer is shown.
        reply_route: Where the answer goes besides the clients that watch. With inbox rows in
            it, a restart does not cut the run: it begins again under the same id.
        earlier: What was said before, by a caller that keeps the conversation itself; written
            down if the session has nothing yet (`carapace.agent.given`).
        tool_results: Answers to `client_tools` that an earlier run of the session called.
        client_tools: Tools that the caller runs itself: when the model calls one, the run ends
            and its outcome says with what. They win over tools of ours of the same name.
        forced_call: The answer must be a call of one of `client_tools`; tools of ours are not
            offered then, for they would do as well.
    """

    run_id: RunId
    session_key: SessionKey
    shown_key: str
    agent_id: AgentId
    message: str
    images: tuple[ImagePart, ...] = ()
    thinking: ThinkingLevel | None = None
    keeps_thinking: bool = False
    timeout_s: float | None = None
    extra_system_prompt: str | None = None
    lane: str = "main"
    provenance: Provenance = OWNER
    as_chat: bool = False
    command: ChatCommand | None = None
    route: Route | None = None
    is_quiet: bool = False
    reply_route: ReplyRoute | None = None
    earlier: tuple[ModelMessage, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    client_tools: tuple[ToolSpec, ...] = ()
    forced_call: ForcedCall | None = None

    @property
    def source(self) -> RunSource:
        """What the words may cause, as rules tell it apart."""
        return source_of(self.provenance)

    @property
    def inbox_ids(self) -> tuple[int, ...]:
        """Rows of the inbox that wait for this run."""
        return self.reply_route.inbox_ids if self.reply_route is not None else ()


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


class TextUpdate(Value, frozen=True):
    """More of the answer's text."""

    text: str


class RunEnded(Value, frozen=True):
    """The last update of a run."""

    outcome: RunOutcome


RunUpdate = TextUpdate | RunEnded


class CutRun(Value, frozen=True):
    """A run that a restart ended; reported to the clients that connect next."""

    run_id: RunId
    session_key: SessionKey
    shown_key: str
    error: str
