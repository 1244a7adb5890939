"""SQL of the notes that a restart leaves, as functions over `Tx`."""

from __future__ import annotations

from typing import Final

from carapace.ids import SessionKey
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["RestartNote", "confirm", "drop", "keep", "kept"]

_KEEP: Final = """
INSERT INTO restart_notes (note_id, kept_at_ms, session_key, text, config_hash)
VALUES (:note_id, :kept_at_ms, :session_key, :text, :config_hash)
"""
_CONFIRM: Final = "UPDATE restart_notes SET is_written = 1 WHERE note_id = ?"
_DROP: Final = "DELETE FROM restart_notes WHERE note_id = ?"
_KEPT: Final = """
SELECT note_id, session_key, text, config_hash, is_written FROM restart_notes
ORDER BY kept_at_ms, note_id LIMIT 1000
"""


class RestartNote(Value, frozen=True):
    """One note.

    Attributes:
        note_id: Also that of the system event it becomes.
        session_key: Where to say it.
        text: What to say.
        config_hash: Hash of the configuration that it speaks of.
        is_written: Whether that configuration is known to have been written.
    """

    note_id: str
    session_key: SessionKey
    text: str
    config_hash: str
    is_written: bool = False


def keep(tx: Tx, note: RestartNote, *, kept_at_ms: int) -> None:
    """Write a new note down."""
    tx.execute(
        _KEEP,
        {
            "note_id": note.note_id,
            "kept_at_ms": kept_at_ms,
            "session_key": note.session_key,
            "text": note.text,
            "config_hash": note.config_hash,
        },
    )


def confirm(tx: Tx, note_id: str) -> None:
    """What it speaks of was written."""
    tx.execute(_CONFIRM, (note_id,))


def drop(tx: Tx, note_id: str) -> None:
    """It was said, or there is nothing to say."""
    tx.execute(_DROP, (note_id,))


def kept(tx: Tx) -> list[RestartNote]:
    """All notes, the oldest first."""
    return [
        RestartNote(
            row["note_id"],
            SessionKey(row["session_key"]),
            row["text"],
            row["config_hash"],
            bool(row["is_written"]),
        )
        for row in tx.all(_KEPT)
    ]
