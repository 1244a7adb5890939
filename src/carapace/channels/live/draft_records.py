"""Rows of `drafts`: which message shows the unfinished answer of which run."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from carapace.channels.types import Outgoing, OutgoingKind, Target
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["DraftRow", "begin", "find", "settle", "shown"]

_KEEP_MS: Final = 7 * 24 * 3600 * 1000
"""A run that never ended; long after every answer of it would have expired."""


class DraftRow(Value, frozen=True):
    """One draft.

    Attributes:
        message_id: The message that shows it; None if nobody knows whether it arrived.
    """

    run_id: str
    target: Target
    message_id: str | None


def find(tx: Tx, run_id: str) -> DraftRow | None:
    """The draft of a run."""
    row = tx.one("SELECT * FROM drafts WHERE run_id = ?", (run_id,))
    if row is None:
        return None
    target = Target(
        channel=row["channel"],
        account=row["account"],
        conversation=row["conversation"],
        thread_id=row["thread_id"],
    )
    return DraftRow(run_id, target, row["message_id"])


def begin(tx: Tx, run_id: str, target: Target, *, now_ms: int) -> bool:
    """Note that a draft is about to be sent; False if there must be none.

    There must be none while earlier messages to that conversation wait: it would overtake them.
    """
    place = (target.channel, target.account, target.conversation)
    waiting = tx.one(
        "SELECT 1 FROM outbox WHERE channel = ? AND account = ? AND conversation = ?"
        " AND ended_at_ms IS NULL LIMIT 1",
        place,
    )
    if waiting is not None:
        return False
    tx.execute("DELETE FROM drafts WHERE created_at_ms < ?", (now_ms - _KEEP_MS,))
    changed = tx.execute(
        "INSERT INTO drafts (run_id, channel, account, conversation, thread_id, created_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO NOTHING",
        (run_id, *place, target.thread_id, now_ms),
    )
    return changed == 1


def shown(tx: Tx, run_id: str, message_id: str) -> None:
    """The service has the draft, as this message."""
    tx.execute("UPDATE drafts SET message_id = ? WHERE run_id = ?", (message_id, run_id))


def settle(
    tx: Tx, run_id: str, outgoing: tuple[Outgoing, ...], *, can_delete: bool
) -> tuple[Outgoing, ...]:
    """The messages that end a run, made to take the place of its draft.

    Belongs in the transaction that puts them into the outbox. The first of them changes the
    message that shows the draft. If nothing is said after all, that message is deleted, where
    the service can. Without a draft, or if nobody knows whether it arrived, all stay as they are.
    """
    row = find(tx, run_id)
    if row is None:
        return outgoing
    tx.execute("DELETE FROM drafts WHERE run_id = ?", (run_id,))
    if row.message_id is None:
        return outgoing
    if not outgoing:
        gone = Outgoing(
            target=row.target,
            idempotency_key=f"{run_id}/draft/gone",
            kind=OutgoingKind.DELETE,
            about_message_id=row.message_id,
        )
        return (gone,) if can_delete else ()
    first, *rest = outgoing
    if first.kind is not OutgoingKind.MESSAGE or first.media or first.target != row.target:
        return outgoing
    edit = replace(first, kind=OutgoingKind.EDIT, about_message_id=row.message_id, reply_to=None)
    return (edit, *rest)
