"""What a turn reads before anything else: its session, and the conversation so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from carapace.agent.history import DecodedHistory, HistoryMessage
from carapace.ids import SessionKey
from carapace.sessions import records as session_records
from carapace.sessions import transcripts
from carapace.sessions.types import SessionEntry
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = ["Opening", "read_opening"]

_HISTORY_MESSAGES: Final = 500


class Opening(Value, frozen=True):
    """A look at the database.

    Attributes:
        entry: The session; None if it is gone.
        rows: Of `transcripts.tail`.
        known: The messages whose bodies `rows` may lack.
    """

    entry: SessionEntry | None
    rows: Sequence[Row]
    known: Mapping[str, HistoryMessage]


def read_opening(tx: Tx, key: SessionKey, session_id: str, decoded: DecodedHistory) -> Opening:
    """Read it; runs on a database thread, and only looks at `decoded`."""
    known = decoded.known(key, session_id)
    rows = transcripts.tail(tx, session_id, limit=_HISTORY_MESSAGES, known=known)
    return Opening(session_records.find(tx, key), rows, known)
