"""System events: texts left in a session without a run, for the next turn to find.

Such a text is kept as a message from outside: a model is shown it quoted, as information, in this
and every later turn. It is never an order of the system's, nor the agent's own words (advisory
D17). It counts as queued until a turn of its session has been accepted.
"""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.agent.draft import user_message
from carapace.agent.history import user_message_id
from carapace.agent.types import RunSource
from carapace.clock import Clock
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions import records as session_records
from carapace.sessions.types import Touch
from carapace.store.ports import Database, Row, Tx
from carapace.value import Value

__all__ = ["MAX_QUEUED", "Note", "Wakes", "leave_note", "queued_notes"]

MAX_QUEUED: Final = 20
"""Queued texts that are listed of one session; older ones stay in its transcript."""
_INSERT: Final = """
INSERT INTO system_events (event_id, session_key, agent_id, text, provenance, wants_turn, at_ms)
VALUES (:event_id, :session_key, :agent_id, :text, :provenance, :wants_turn, :at_ms)
ON CONFLICT DO NOTHING
"""
_QUEUED: Final = """
SELECT event_id, session_key, agent_id, text, provenance, wants_turn, at_ms FROM system_events
WHERE session_key = :session_key AND at_ms > coalesce(
  (SELECT max(accepted_at_ms) FROM turns WHERE session_key = :session_key), -1)
ORDER BY at_ms DESC, rowid DESC LIMIT :max_rows
"""
_WANTED: Final = """
SELECT DISTINCT agent_id, session_key FROM system_events AS event
WHERE wants_turn = 1 AND at_ms > coalesce(
  (SELECT max(accepted_at_ms) FROM turns WHERE session_key = event.session_key), -1)
"""
_FORGET_SEEN: Final = """
DELETE FROM system_events WHERE session_key = :session_key AND at_ms <= (
  SELECT max(accepted_at_ms) FROM turns WHERE session_key = :session_key)
"""
_FORGET_OLD: Final = """
DELETE FROM system_events WHERE session_key = :session_key AND rowid NOT IN (
  SELECT rowid FROM system_events WHERE session_key = :session_key
  ORDER BY at_ms DESC, rowid DESC LIMIT :keep)
"""
_ASK: Final = "UPDATE system_events SET wants_turn = 1 WHERE event_id = ?"
_PROVENANCE: Final = msgspec.json.Decoder(Provenance)
_OUTSIDE: Final = Provenance(origin=Origin.HOOK, authority=Authority.OUTSIDE)


class Note(Value, frozen=True, kw_only=True):
    """One text for a session.

    Attributes:
        note_id: The same id again changes nothing.
        session_key: Canonical.
        agent_id: Whose session.
        text: The words.
        provenance: Whose they are.
        wants_turn: A turn was asked for; after a crash it is asked for again.
    """

    note_id: RunId
    session_key: SessionKey
    agent_id: AgentId
    text: str
    provenance: Provenance
    wants_turn: bool = False


def leave_note(tx: Tx, note: Note, *, now_ms: int) -> None:
    """Put a note into its session, in the caller's transaction.

    The same words as the newest that is still queued are not said twice.
    """
    tx.execute(_FORGET_SEEN, {"session_key": note.session_key})
    newest = next(iter(_queued(tx, note.session_key, 1)), None)
    if newest is not None and (newest.text, newest.provenance) == (note.text, note.provenance):
        if note.wants_turn:
            tx.execute(_ASK, (newest.note_id,))
        return
    entry = session_records.ensure(tx, note.session_key, now_ms=now_ms, default_agent=note.agent_id)
    message_id = user_message_id(note.note_id, as_chat=False, source=RunSource.OUTSIDE)
    if session_records.has_message(tx, entry.session_id, message_id):
        return
    message = user_message(message_id, note.text, (), now_ms)
    session_records.append_message(tx, entry.session_id, message)
    session_records.touch(tx, note.session_key, Touch(), now_ms=now_ms)
    tx.execute(
        _INSERT,
        {
            "event_id": note.note_id,
            "session_key": note.session_key,
            "agent_id": note.agent_id,
            "text": note.text,
            "provenance": msgspec.json.encode(note.provenance).decode(),
            "wants_turn": note.wants_turn,
            "at_ms": now_ms,
        },
    )
    tx.execute(_FORGET_OLD, {"session_key": note.session_key, "keep": MAX_QUEUED})


def queued_notes(tx: Tx, key: SessionKey) -> list[Note]:
    """What no turn of the session has begun with yet, the oldest first."""
    return _queued(tx, key, MAX_QUEUED)[::-1]


class Wakes:
    """Writes such texts down and reads them back.

    Args:
        database: Where the sessions are.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def leave(
        self,
        key: SessionKey,
        agent_id: AgentId,
        note_id: RunId,
        text: str,
        *,
        provenance: Provenance = _OUTSIDE,
        wants_turn: bool = False,
    ) -> None:
        """Leave a text in a session; see `Note`. Unless told otherwise it is a program's.

        Raises:
            Failed: If it could not be written down.
        """
        note = Note(
            note_id=note_id,
            session_key=key,
            agent_id=agent_id,
            text=text,
            provenance=provenance,
            wants_turn=wants_turn,
        )
        now_ms = self._clock.now_ms()
        await self._database.write(lambda tx: leave_note(tx, note, now_ms=now_ms))

    async def queued(self, key: SessionKey) -> list[Note]:
        """See `queued_notes`."""
        return await self._database.read(lambda tx: queued_notes(tx, key))

    async def wanted(self) -> tuple[tuple[AgentId, SessionKey], ...]:
        """Sessions, with their agents, that hold a note that asked for a turn and got none."""
        rows = await self._database.read(lambda tx: tx.all(_WANTED))
        return tuple((AgentId(row["agent_id"]), SessionKey(row["session_key"])) for row in rows)


def _queued(tx: Tx, key: SessionKey, max_rows: int) -> list[Note]:
    rows = tx.all(_QUEUED, {"session_key": key, "max_rows": max_rows})
    return [_note(row) for row in rows]


def _note(row: Row) -> Note:
    return Note(
        note_id=RunId(row["event_id"]),
        session_key=SessionKey(row["session_key"]),
        agent_id=AgentId(row["agent_id"]),
        text=row["text"],
        provenance=_PROVENANCE.decode(row["provenance"]),
        wants_turn=bool(row["wants_turn"]),
    )
