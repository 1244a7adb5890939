"""What a group said without meaning the assistant: context for the next message that does.

Kept on disk, a bounded number for each conversation, put before the next message that is
answered, and forgotten once that is answered (`inbox_records.ack`). Each line is one JSON
object, so that nothing in a text can pass for another person's line (advisory J01).
"""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.channels.types import EventKind, InboundMessage
from carapace.provenance import Authority
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["MAX_LINE_CHARS", "PendingContext", "add", "context"]

MAX_LINE_CHARS: Final = 2_000
_NAME_CHARS: Final = 100

_ADD: Final = """
INSERT INTO inbox_pending (lane, said_at_ms, authority, body)
VALUES (:lane, :said_at_ms, :authority, :body)
"""
_TRIM: Final = """
DELETE FROM inbox_pending WHERE lane = :lane AND pending_id <= (
  SELECT pending_id FROM inbox_pending WHERE lane = :lane
  ORDER BY pending_id DESC LIMIT 1 OFFSET :limit
)
"""
_CONTEXT: Final = """
SELECT pending_id, authority, body FROM inbox_pending
WHERE lane = :lane AND (:through IS NULL OR pending_id <= :through) ORDER BY pending_id
"""


class _Line(msgspec.Struct, omit_defaults=True):
    """One line as a model reads it."""

    name: str
    id: str
    text: str
    event: str | None = None
    about: str | None = None


class PendingContext(Value, frozen=True):
    """The context of a message.

    Attributes:
        lines: JSON, oldest first.
        through: The newest line's id.
        authority: The least of those who wrote them.
    """

    lines: tuple[str, ...]
    through: int
    authority: Authority


def add(
    tx: Tx, lane: str, message: InboundMessage, authority: Authority, *, now_ms: int, limit: int
) -> None:
    """Keep a message as context, and let the oldest go beyond `limit`; 0 keeps none."""
    if limit > 0:
        values = {"lane": lane, "said_at_ms": message.sent_at_ms or now_ms}
        line = msgspec.json.encode(_line(message)).decode()
        tx.execute(_ADD, {**values, "authority": int(authority), "body": line})
    tx.execute(_TRIM, {"lane": lane, "limit": max(limit, 0)})


def context(tx: Tx, lane: str, *, through: int | None = None) -> PendingContext | None:
    """What is kept of a lane, only up to the line `through` if that is given; None if nothing."""
    rows = tx.all(_CONTEXT, {"lane": lane, "through": through})
    if not rows:
        return None
    return PendingContext(
        lines=tuple(row["body"] for row in rows),
        through=rows[-1]["pending_id"],
        authority=Authority(min(row["authority"] for row in rows)),
    )


def _line(message: InboundMessage) -> _Line:
    sender = message.sender
    text = message.text or ", ".join(f"[{one.content_type or 'file'}]" for one in message.media)
    is_said = message.kind is EventKind.MESSAGE
    return _Line(
        name=(sender.display_name or sender.id)[:_NAME_CHARS],
        id=sender.id[:_NAME_CHARS],
        text=text[:MAX_LINE_CHARS],
        event=None if is_said else message.kind.value,
        about=message.about_message_id,
    )
