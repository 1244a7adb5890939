"""Tells a session, once, that the gateway was restarted for it.

Whoever changes the configuration for a session (its agent, or a person in its chat) loses the
connection by the restart. The note is on disk before the configuration is, so no crash between
the two loses it; it goes in the transaction that says it, so it is said once.
"""

from __future__ import annotations

from carapace.clock import Clock
from carapace.ids import RunId, SessionKey, new_id
from carapace.provenance import OWNER
from carapace.sessions.keys import agent_of
from carapace.store.ports import Database, Tx
from carapace.triggers import restart_records as records
from carapace.triggers.restart_records import RestartNote
from carapace.triggers.wakes import Note, leave_note

__all__ = ["RestartNotes"]


class RestartNotes:
    """Keeps notes over a restart.

    Args:
        database: Where they are kept.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, session_key: SessionKey, text: str, *, config_hash: str) -> str:
        """Keep a note for a change that is about to be written.

        Args:
            session_key: Where to tell it.
            text: What to tell; no secrets.
            config_hash: `hash` of the configuration as it will be.

        Returns:
            The note's id, for `confirm` or `drop`.

        Raises:
            Failed: If it could not be written down.
        """
        note = RestartNote(new_id(), session_key, text, config_hash)
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> None:
            records.keep(tx, note, kept_at_ms=now_ms)

        await self._database.write(work)
        return note.note_id

    async def confirm(self, note_id: str) -> None:
        """The change was written: tell it after the next start, whatever the file says then."""
        await self._database.write(lambda tx: records.confirm(tx, note_id))

    async def drop(self, note_id: str) -> None:
        """The change was not written."""
        await self._database.write(lambda tx: records.drop(tx, note_id))

    async def tell(self, config_hash: str) -> int:
        """Tell every note whose change was written, and forget the others; after a start.

        Args:
            config_hash: `hash` of the configuration as it is.

        Returns:
            How many were told.
        """
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> int:
            told = 0
            for note in records.kept(tx):
                if note.is_written or note.config_hash == config_hash:
                    leave_note(tx, _as_event(note), now_ms=now_ms)
                    told += 1
                records.drop(tx, note.note_id)
            return told

        return await self._database.write(work)


def _as_event(note: RestartNote) -> Note:
    return Note(
        note_id=RunId(note.note_id),
        session_key=note.session_key,
        agent_id=agent_of(note.session_key),
        text=note.text,
        provenance=OWNER,
    )
