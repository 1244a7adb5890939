"""What the server needs of others, in its own words; `app.py` passes the real ones in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from carapace.agent.types import RunOutcome, RunUpdate, StopReason, Submission
from carapace.auth.types import Admission, Caller, Origin
from carapace.ids import ConnId, RunId, SessionKey
from carapace.protocol.connect import ConnectParams
from carapace.protocol.events import Event, StateVersion
from carapace.protocol.version import Dialect

__all__ = [
    "Admitter",
    "Answers",
    "ChatModels",
    "ChatRuns",
    "Link",
    "Member",
    "NodeWatch",
    "SnapshotSource",
    "StartedRun",
]


class Admitter(Protocol):
    """Decides who may come in (`carapace.auth.service.Authenticator`)."""

    async def connect(
        self, params: ConnectParams, origin: Origin, *, nonce: str, conn_id: ConnId
    ) -> Admission:
        """Judge a `connect`.

        Raises:
            ConnectRefused: With the texts and close codes of protocol 3, section 2.2.
        """
        ...

    async def bearer(self, secret: str | None, origin: Origin) -> Caller:
        """Judge the credential of an HTTP request.

        Raises:
            GatewayError: If it is missing or wrong.
        """
        ...


class SnapshotSource(Protocol):
    """The state that hello-ok and the periodic events show."""

    def health(self) -> Any:
        """The health snapshot, as a struct or already encoded; answered from memory."""
        ...

    def presence(self) -> Any:
        """The presence list, as structs or already encoded."""
        ...

    def state_version(self) -> StateVersion:
        """The counters of both."""
        ...

    def session_defaults(self) -> dict[str, str]:
        """`defaultAgentId`, `mainKey`, `mainSessionKey`, `scope`."""
        ...

    def paths(self) -> tuple[str | None, str | None]:
        """Configuration file and state folder; shown to administrators only (advisory A16)."""
        ...


class Link(Protocol):
    """The connection a request came in on, as the dispatcher sees it."""

    @property
    def caller(self) -> Caller:
        """Who is on the other side."""
        ...

    @property
    def dialect(self) -> Dialect:
        """What it speaks."""
        ...

    def send(self, frame: bytes) -> None:
        """Queue one text message; nothing happens if the connection is gone."""
        ...

    def begin(self, request_id: str) -> None:
        """The request will be answered later."""
        ...

    def finish(self, request_id: str) -> bool:
        """The request is answered now; False if nobody hears it."""
        ...


class Member(Protocol):
    """A connection as the hub sees it."""

    @property
    def caller(self) -> Caller:
        """Who is on the other side."""
        ...

    @property
    def dialect(self) -> Dialect:
        """What it speaks."""
        ...

    @property
    def is_over_budget(self) -> bool:
        """Whether more bytes wait for the client than it is allowed."""
        ...

    @property
    def stalled_s(self) -> float:
        """Seconds for which the client has not taken what waits for it; 0.0 if it reads."""
        ...

    def next_seq(self) -> int:
        """The number of the next event, counted from 1."""
        ...

    def send_parts(self, parts: bytes, tail: bytes) -> None:
        """Queue one text message made of shared and own bytes."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, then end the connection."""
        ...


class NodeWatch(Protocol):
    """Told of every client, so that nodes can be asked (`carapace.nodes.service.Nodes`)."""

    def connected(self, caller: Caller, origin: Origin) -> None:
        """It was admitted."""
        ...

    def welcome(self, caller: Caller) -> None:
        """It hears events now."""
        ...

    def disconnected(self, caller: Caller) -> None:
        """It is gone, or was told goodbye; perhaps told more than once."""
        ...

    def followers(self, event: Event) -> frozenset[ConnId]:
        """Nodes that hear `event` because they follow its session."""
        ...


class StartedRun(Protocol):
    """A run that was accepted."""

    @property
    def submission(self) -> Submission:
        """What was asked."""
        ...


class ChatRuns(Protocol):
    """The part of the agent that an HTTP chat needs (`carapace.agent.service.AgentService`)."""

    async def submit(self, submission: Submission) -> StartedRun:
        """Accept a message durably.

        Raises:
            Refused: If it cannot be taken now.
        """
        ...

    async def wait(self, run_id: RunId, timeout_s: float) -> RunOutcome | None:
        """The outcome, or None if it has not come within `timeout_s`."""
        ...

    def updates(self, run_id: RunId) -> AsyncGenerator[RunUpdate]:
        """Text as it comes, then the end."""
        ...

    async def abort(
        self,
        session_key: SessionKey,
        run_id: RunId | None = None,
        reason: StopReason = StopReason.RPC,
    ) -> tuple[RunId, ...]:
        """End a run early."""
        ...


class Answers(Protocol):
    """Earlier runs, for requests that go on from one."""

    async def session_of(self, run_id: RunId) -> SessionKey | None:
        """The session of a run that ended; None if it is not remembered."""
        ...

    async def is_latest(self, session_key: SessionKey, run_id: RunId) -> bool:
        """Whether the newest message of the session is that run's."""
        ...


class ChatModels(Protocol):
    """Names that `/v1/models` lists and that `model` may pick."""

    def agent_ids(self) -> tuple[str, ...]:
        """Known agents, the default one first."""
        ...
