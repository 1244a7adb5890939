"""How a message for the gateway's own chat gets into a session and to the clients that watch."""

from __future__ import annotations

from carapace.agent.events import chat_final
from carapace.channels.types import Outgoing
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.protocol.events import Publish
from carapace.protocol.sessions import MessageUsage
from carapace.sessions import records
from carapace.sessions.service import Sessions
from carapace.sessions.types import StoredMessage
from carapace.store.ports import Database, Tx

__all__ = ["OwnChat"]


class OwnChat:
    """Satisfies `carapace.channels.builtin.ports.ShowInChat`.

    Args:
        database: Where transcripts are.
        sessions: Knows the sessions' keys.
        publish: Reaches the clients.
        clock: For times.
    """

    def __init__(
        self, database: Database, sessions: Sessions, *, publish: Publish, clock: Clock
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._publish = publish
        self._clock = clock

    async def __call__(self, outgoing: Outgoing) -> str:
        """Write the message into the session that its conversation names, once; its id.

        Raises:
            Refused: If there is no such session.
            Failed: If it could not be written down.
        """
        shown_key = outgoing.target.conversation
        key, now_ms = self._sessions.key(shown_key), self._clock.now_ms()
        stored = StoredMessage(
            message_id=f"sent-{outgoing.idempotency_key}",
            role="assistant",
            content=({"type": "text", "text": outgoing.text},),
            timestamp_ms=now_ms,
            usage=MessageUsage(input=0, output=0, total_tokens=0),
            stop_reason="injected",
        )

        def work(tx: Tx) -> bool:
            entry = records.find(tx, key)
            if entry is None:
                raise Refused(f"There is no session {shown_key}; see sessions.list.")
            if records.has_message(tx, entry.session_id, stored.message_id):
                return False
            records.append_message(tx, entry.session_id, stored)
            return True

        if await self._database.write(work):
            self._publish(
                chat_final(
                    stored.message_id,
                    shown_key,
                    seq=0,
                    text=outgoing.text,
                    ts_ms=now_ms,
                    injected=True,
                )
            )
        return stored.message_id
