"""A turn that had nothing to say leaves nothing in its conversation.

Its messages stay in the database, archived as those that were summarised; no model reads them
again, and no client is shown them.
"""

from __future__ import annotations

from typing import Final

from carapace.ids import RunId, SessionKey
from carapace.store.ports import Tx

__all__ = ["silence"]

_COUNT: Final = """
SELECT count(*) AS messages FROM messages WHERE session_id = :session_id
  AND message_id >= :first AND message_id < :last AND archived_at_ms IS NULL
"""
_ARCHIVE: Final = """
UPDATE messages SET archived_at_ms = :now_ms WHERE session_id = :session_id
  AND message_id >= :first AND message_id < :last AND archived_at_ms IS NULL
"""
# Also where the time stays: what lists tell of the session has changed with its messages.
_TOUCH_BACK: Final = """
UPDATE sessions SET updated_at_ms = coalesce(:updated_at_ms, updated_at_ms) WHERE key = :key
"""
_EXCHANGE: Final = 2


def silence(
    tx: Tx,
    key: SessionKey,
    session_id: str,
    run_id: RunId,
    *,
    updated_at_ms: int | None,
    now_ms: int,
) -> bool:
    """Archive question and answer of a run, and take back that its session was used.

    Args:
        tx: The transaction.
        key: Of the session.
        session_id: Of the transcript.
        run_id: Of the run; its messages' ids begin with it.
        updated_at_ms: When the session was last used before; None leaves that alone.
        now_ms: Now.

    Returns:
        False if the run did more than answer, such as use a tool: then everything stays.
    """
    # The character behind "/" is "0": between the two lie exactly the messages of the run.
    span = {"session_id": session_id, "first": f"{run_id}/", "last": f"{run_id}0"}
    row = tx.one(_COUNT, span)
    if row is None or row["messages"] > _EXCHANGE:
        return False
    tx.execute(_ARCHIVE, {**span, "now_ms": now_ms})
    tx.execute(_TOUCH_BACK, {"key": key, "updated_at_ms": updated_at_ms})
    return True
