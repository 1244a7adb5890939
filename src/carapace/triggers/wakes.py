"""A text from outside, written into a session without a run: the next turn finds it there.

It is kept as a message from outside: a model is shown it quoted, as information, in this and every
later turn. It is never an order of the system's, nor the agent's own words (advisory D17).
"""

from __future__ import annotations

from carapace.agent.draft import user_message
from carapace.agent.history import user_message_id
from carapace.agent.types import RunSource
from carapace.clock import Clock
from carapace.ids import AgentId, RunId, SessionKey
from carapace.sessions import records as session_records
from carapace.sessions.types import Touch
from carapace.store.ports import Database, Tx

__all__ = ["Wakes"]


class Wakes:
    """Writes such texts down.

    Args:
        database: Where the sessions are.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def leave(self, key: SessionKey, agent_id: AgentId, note_id: RunId, text: str) -> None:
        """Leave `text` in a session; the same `note_id` again changes nothing.

        Raises:
            Failed: If it could not be written down.
        """
        now_ms = self._clock.now_ms()
        message_id = user_message_id(note_id, as_chat=False, source=RunSource.OUTSIDE)
        message = user_message(message_id, text, (), now_ms)

        def work(tx: Tx) -> None:
            entry = session_records.ensure(tx, key, now_ms=now_ms, default_agent=agent_id)
            session_records.append_message(tx, entry.session_id, message)
            session_records.touch(tx, key, Touch(), now_ms=now_ms)

        await self._database.write(work)
