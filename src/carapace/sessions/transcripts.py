"""SQL that reads and archives the messages of a transcript.

"Live" messages are those compaction has not archived. Their order is `seq`; a summary takes
the `seq` of the last message it stands for, so it sorts before all that came later.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from carapace.sessions.encoding import encoded
from carapace.sessions.excerpts import excerpt_of
from carapace.sessions.types import StoredMessage
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = [
    "MAX_HISTORY_BYTES",
    "MAX_MESSAGES",
    "Excerpt",
    "archive_through",
    "excerpts",
    "has_messages",
    "insert_summary",
    "live_shape",
    "messages_of",
    "tail",
]

MAX_HISTORY_BYTES: Final = 6 * 1024 * 1024
MAX_MESSAGES: Final = 100_000
"""More live messages than this are never read at once."""

_TAIL_SIZES: Final = """
SELECT seq, message_id, size_bytes FROM messages
WHERE session_id = ? AND archived_at_ms IS NULL
ORDER BY seq DESC LIMIT ?
"""
_TAIL: Final = """
SELECT seq, message_id, role, body FROM messages
WHERE session_id = :session_id AND archived_at_ms IS NULL
  AND seq >= :from_seq AND size_bytes <= :max_bytes
ORDER BY seq
"""
_EXCERPTS: Final = """
SELECT role, excerpt FROM messages
WHERE session_id = ? AND archived_at_ms IS NULL AND excerpt <> ''
ORDER BY seq DESC LIMIT ?
"""
_SUMMARY: Final = """
INSERT INTO messages (session_id, seq, message_id, role, at_ms, size_bytes, excerpt, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


class Excerpt(Value, frozen=True):
    """Who said a message, and its beginning."""

    role: str
    text: str


def tail(
    tx: Tx,
    session_id: str,
    *,
    limit: int,
    max_bytes: int = MAX_HISTORY_BYTES,
    known: Container[str] = (),
) -> Sequence[Row]:
    """The newest live messages, oldest first: rows of `seq, message_id, role, body`.

    At most `limit` of them and `max_bytes` together; a single one over `max_bytes` is left
    out. Bodies that are not returned are not read. Rows before the first message that is not
    in `known` (ids) come without `role` and `body`.
    """
    left = max_bytes
    rows: list[Row] = []
    for row in tx.all(_TAIL_SIZES, (session_id, limit)):
        size = int(row["size_bytes"])
        if size > max_bytes:
            continue
        left -= size
        if left < 0:
            break
        rows.append(row)
    rows.reverse()
    held = next((at for at, row in enumerate(rows) if row["message_id"] not in known), len(rows))
    if held == len(rows):
        return rows
    wanted = {"session_id": session_id, "from_seq": rows[held]["seq"], "max_bytes": max_bytes}
    return [*rows[:held], *tx.all(_TAIL, wanted)]


def messages_of(rows: Sequence[Row]) -> list[StoredMessage]:
    """Rows of `tail` as messages."""
    return [StoredMessage.decode(row["message_id"], row["body"]) for row in rows]


def excerpts(tx: Tx, session_id: str, *, limit: int) -> list[Excerpt]:
    """The newest live messages that say something, oldest first."""
    rows = tx.all(_EXCERPTS, (session_id, limit))
    return [Excerpt(row["role"], row["excerpt"]) for row in reversed(rows)]


def has_messages(tx: Tx, session_id: str) -> bool:
    """Whether anything was ever said."""
    return tx.one("SELECT 1 FROM messages WHERE session_id = ? LIMIT 1", (session_id,)) is not None


def live_shape(tx: Tx, session_id: str) -> list[tuple[int, str]]:
    """Position and role of every live message, oldest first."""
    rows = tx.all(
        "SELECT seq, role FROM messages WHERE session_id = ? AND archived_at_ms IS NULL"
        " ORDER BY seq LIMIT ?",
        (session_id, MAX_MESSAGES),
    )
    return [(int(row["seq"]), str(row["role"])) for row in rows]


def archive_through(tx: Tx, session_id: str, seq: int, *, now_ms: int) -> int:
    """Archive every live message up to and including `seq`; how many those were."""
    return tx.execute(
        "UPDATE messages SET archived_at_ms = ?"
        " WHERE session_id = ? AND seq <= ? AND archived_at_ms IS NULL",
        (now_ms, session_id, seq),
    )


def insert_summary(tx: Tx, session_id: str, seq: int, message: StoredMessage) -> None:
    """Put `message` where the archived ones ended; call after `archive_through`."""
    message, body = encoded(message)
    tx.execute(
        _SUMMARY,
        (
            session_id,
            seq,
            message.message_id,
            message.role,
            message.timestamp_ms,
            len(body),
            excerpt_of(message),
            body.decode(),
        ),
    )
