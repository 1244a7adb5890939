"""What the room needs of others, in its own words; `app.py` passes the real ones in."""

from __future__ import annotations

from typing import Protocol

from carapace.agent.runs import Run
from carapace.agent.types import Submission
from carapace.channels.types import Target
from carapace.ids import AgentId, RunId, SessionKey

__all__ = ["AcceptedRun", "Agents", "Routing", "Runs"]


class AcceptedRun(Protocol):
    """A run that is on disk."""

    @property
    def run(self) -> Run:
        """The run."""
        ...


class Runs(Protocol):
    """Takes messages durably (`carapace.agent.service.AgentService`)."""

    async def accept(self, submission: Submission) -> AcceptedRun:
        """Write the message and what is owed for it down.

        Raises:
            Refused: If it cannot be taken now.
            Failed: If it could not be written down.
        """
        ...

    async def find(self, run_id: RunId) -> Run | None:
        """The run of that id, also after a restart."""
        ...


class Agents(Protocol):
    """Which agents there are (`carapace.agent.profiles.Profiles`)."""

    @property
    def default_id(self) -> AgentId:
        """Who answers where none is named."""
        ...

    def knows(self, agent_id: str) -> bool:
        """Whether there is one of that id, whatever its case."""
        ...


class Routing(Protocol):
    """Where answers can go."""

    def channels(self) -> tuple[str, ...]:
        """Ids of the channels that are configured."""
        ...

    async def last(self, session_key: SessionKey) -> Target | None:
        """Where a session was last spoken to from, if that is a channel."""
        ...
