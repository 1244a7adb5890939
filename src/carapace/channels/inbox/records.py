"""SQL of the inbox. Functions over `Tx`, to be composed into one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from carapace.channels.types import InboundMessage
from carapace.ids import SessionKey
from carapace.provenance import Authority, Origin, Provenance
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = [
    "MAX_JOINED",
    "MAX_JOINED_CHARS",
    "InboxQuery",
    "InboxRow",
    "InboxState",
    "LaneCount",
    "NewRow",
    "ack",
    "batch",
    "counts",
    "find",
    "insert",
    "is_known",
    "keep_context",
    "kill",
    "lanes",
    "page",
    "prune",
    "put_back",
    "remember",
    "replay",
    "requeue",
    "revise",
    "start",
    "started_too_often",
    "stop_waiting",
    "with_files",
    "withdraw",
]

MAX_JOINED: Final = 50
MAX_JOINED_CHARS: Final = 32_000
_MAX_PAGE: Final = 200
_UNKNOWN: Final = Provenance(origin=Origin.OUTSIDE, authority=Authority.NONE)


class InboxState(StrEnum):
    """Where a row stands; the last two are final."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    DEAD = "dead"


class NewRow(Value, frozen=True, kw_only=True):
    """A message that passed the policy.

    Attributes:
        message: What was said.
        provenance: Whose words these are; never computed again, only made smaller.
        lane: Messages of one lane are answered in order.
        session_key: Whose conversation it joins.
        received_at_ms: Now.
        due_at_ms: Not before this, so that more can join it.
        is_joinable: Further text of the same person may be answered together with it.
        is_command: Its sender may use commands and this is one.
    """

    message: InboundMessage
    provenance: Provenance
    lane: str
    session_key: SessionKey
    received_at_ms: int
    due_at_ms: int
    is_joinable: bool = False
    is_command: bool = False


class InboxRow(Value, frozen=True, kw_only=True):
    """A row as it stands on disk.

    Attributes:
        attempts: How often a turn was started for it.
        replays: How often a person had it tried again.
        run_id: Of the turn that answers it; rows of one run are answered together.
        reason: Why it ended, for people.
        context_through: Group context up to this id was put before it.
        message: None once its text was forgotten, or if it cannot be read.
    """

    inbox_id: int
    channel: str
    account: str
    conversation: str
    message_id: str
    state: InboxState
    lane: str
    session_key: SessionKey
    sender_id: str
    is_joinable: bool
    is_command: bool
    received_at_ms: int
    due_at_ms: int
    ended_at_ms: int | None
    attempts: int
    replays: int
    run_id: str | None
    reason: str | None
    context_through: int | None
    provenance: Provenance
    message: InboundMessage | None


class InboxQuery(Value, frozen=True, kw_only=True):
    """Which rows to list, the newest first.

    Attributes:
        state: Only these.
        channel: Only of this one.
        account: Only of this one.
        before_id: Only older rows; the last id of the page before.
        limit: From 1 to 200.
    """

    state: InboxState | None = None
    channel: str | None = None
    account: str | None = None
    before_id: int | None = None
    limit: int = 50


class LaneCount(Value, frozen=True):
    """How many rows of a lane have not ended, and when the first is due."""

    lane: str
    waiting: int
    due_at_ms: int


_INSERT: Final = """
INSERT INTO inbox (channel, account, conversation, message_id, state, lane, session_key,
  sender_id, is_joinable, is_command, received_at_ms, due_at_ms, ended_at_ms, reason, provenance,
  body)
VALUES (:channel, :account, :conversation, :message_id, :state, :lane, :session_key,
  :sender_id, :is_joinable, :is_command, :received_at_ms, :due_at_ms, :ended_at_ms, :reason,
  :provenance, :body)
ON CONFLICT (channel, account, message_id) DO NOTHING
RETURNING inbox_id
"""
_BATCH: Final = """
SELECT * FROM inbox WHERE lane = :lane AND ended_at_ms IS NULL ORDER BY inbox_id LIMIT :limit
"""
_START: Final = """
UPDATE inbox SET attempts = attempts + (state = 'waiting'), state = 'working', run_id = :run_id
WHERE inbox_id = :inbox_id AND ended_at_ms IS NULL
"""
_END: Final = """
UPDATE inbox SET state = :state, reason = :reason, ended_at_ms = :now_ms
WHERE inbox_id = :inbox_id AND ended_at_ms IS NULL
"""
_CLEAR_CONTEXT: Final = """
DELETE FROM inbox_pending WHERE pending_id IN (
  SELECT p.pending_id FROM inbox i JOIN inbox_pending p
    ON p.lane = i.lane AND p.pending_id <= i.context_through
  WHERE i.inbox_id = ? AND i.ended_at_ms IS NULL
)
"""
_PUT_BACK: Final = """
UPDATE inbox SET attempts = max(0, attempts - (state = 'working')), state = 'waiting'
WHERE inbox_id = :inbox_id AND ended_at_ms IS NULL
"""
_LANES: Final = """
SELECT lane, count(*) AS waiting, min(due_at_ms) AS due_at_ms FROM inbox
WHERE ended_at_ms IS NULL GROUP BY lane
"""
_OFTEN: Final = """
SELECT * FROM inbox WHERE ended_at_ms IS NULL AND state = 'working' AND attempts >= ?
ORDER BY inbox_id
"""
_REPLAY: Final = """
UPDATE inbox SET state = 'waiting', ended_at_ms = NULL, reason = NULL, run_id = NULL,
  attempts = 0, replays = replays + 1, due_at_ms = :now_ms, is_joinable = 0
WHERE inbox_id = :inbox_id AND state = 'dead' AND body IS NOT NULL
"""
_STOP: Final = """
UPDATE inbox SET state = 'done', reason = 'stopped by a person', ended_at_ms = :now_ms
WHERE lane = :lane AND inbox_id < :before_id AND state = 'waiting'
"""
_KNOWN: Final = "SELECT 1 FROM inbox WHERE channel = ? AND account = ? AND message_id = ?"
_PAGE: Final = """
SELECT * FROM inbox
WHERE (:state IS NULL OR state = :state) AND (:channel IS NULL OR channel = :channel)
  AND (:account IS NULL OR account = :account) AND (:before_id IS NULL OR inbox_id < :before_id)
ORDER BY inbox_id DESC LIMIT :limit
"""
_CHANGEABLE: Final = """
SELECT * FROM inbox WHERE channel = :channel AND account = :account AND message_id = :message_id
  AND sender_id = :sender_id AND lane = :lane AND state = 'waiting' AND run_id IS NULL
"""
_WITH_FILES: Final = """
SELECT inbox_id FROM inbox WHERE body LIKE '%"media_id":"%'
  AND ((state = 'done' AND ended_at_ms < :bodies) OR ended_at_ms < :rows)
"""
_FORGET_BODIES: Final = """
UPDATE inbox SET body = NULL WHERE state = 'done' AND body IS NOT NULL AND ended_at_ms < ?
"""
_FORGET: Final = "DELETE FROM inbox WHERE ended_at_ms < ?"
_MESSAGE: Final = msgspec.json.Decoder(InboundMessage)
_PROVENANCE: Final = msgspec.json.Decoder(Provenance)


def insert(tx: Tx, new: NewRow) -> int | None:
    """Write a message down that waits for its turn; None if it was there already."""
    return _insert(tx, new, state=InboxState.WAITING, reason=None, ended_at_ms=None)


def remember(tx: Tx, new: NewRow, *, reason: str) -> int | None:
    """Note that a message was dealt with without a turn; None if that was noted already."""
    return _insert(tx, new, state=InboxState.DONE, reason=reason, ended_at_ms=new.received_at_ms)


def _insert(
    tx: Tx, new: NewRow, *, state: InboxState, reason: str | None, ended_at_ms: int | None
) -> int | None:
    message = new.message
    row = tx.one(
        _INSERT,
        {
            "channel": message.channel,
            "account": message.account,
            "conversation": message.conversation.id,
            "message_id": message.message_id,
            "state": state.value,
            "lane": new.lane,
            "session_key": new.session_key,
            "sender_id": message.sender.id,
            "is_joinable": int(new.is_joinable),
            "is_command": int(new.is_command),
            "received_at_ms": new.received_at_ms,
            "due_at_ms": new.due_at_ms,
            "ended_at_ms": ended_at_ms,
            "reason": reason,
            "provenance": _json(new.provenance),
            "body": _json(message) if ended_at_ms is None else None,
        },
    )
    return None if row is None else int(row["inbox_id"])


def batch(tx: Tx, lane: str) -> tuple[InboxRow, ...]:
    """What is next in a lane: one row, or those that are answered together.

    Rows that belong to a run already stay together whatever came after them. Else the first
    takes along what the same person wrote right behind it, if all of it may be joined.
    """
    first = tx.one(_BATCH, {"lane": lane, "limit": 1})
    if first is None:
        return ()
    head = row_of(first)
    if not head.is_joinable:
        return (head,)
    found = [row_of(row) for row in tx.all(_BATCH, {"lane": lane, "limit": MAX_JOINED})]
    if head.run_id is not None:
        return tuple(row for row in found if row.run_id == head.run_id)
    joined: list[InboxRow] = []
    chars = 0
    for row in found:
        chars += len(row.message.text) if row.message else 0
        fits = not joined or chars <= MAX_JOINED_CHARS
        same = row.sender_id == head.sender_id and row.is_joinable and row.run_id is None
        if not (same and fits):
            break
        joined.append(row)
    return tuple(joined)


def start(tx: Tx, inbox_ids: Sequence[int], *, run_id: str) -> None:
    """A turn begins for these rows; counted once until they are put back or requeued."""
    for inbox_id in inbox_ids:
        tx.execute(_START, {"inbox_id": inbox_id, "run_id": run_id})


def keep_context(tx: Tx, inbox_id: int, through: int) -> None:
    """Note up to where the group's context was put before this row."""
    tx.execute("UPDATE inbox SET context_through = ? WHERE inbox_id = ?", (through, inbox_id))


def ack(tx: Tx, inbox_ids: Sequence[int], *, reason: str, now_ms: int) -> int:
    """These rows are dealt with, and so is the context before them; how many were open."""
    for inbox_id in inbox_ids:
        tx.execute(_CLEAR_CONTEXT, (inbox_id,))
    return _end(tx, inbox_ids, InboxState.DONE, reason, now_ms)


def kill(tx: Tx, inbox_ids: Sequence[int], *, reason: str, now_ms: int) -> int:
    """These rows become dead letters; how many had not ended before."""
    return _end(tx, inbox_ids, InboxState.DEAD, reason, now_ms)


def _end(tx: Tx, inbox_ids: Sequence[int], state: InboxState, reason: str, now_ms: int) -> int:
    values = {"state": state.value, "reason": reason, "now_ms": now_ms}
    return sum(tx.execute(_END, {**values, "inbox_id": one}) for one in inbox_ids)


def put_back(tx: Tx, inbox_ids: Sequence[int]) -> None:
    """These rows wait again; the start that came to nothing does not count."""
    for inbox_id in inbox_ids:
        tx.execute(_PUT_BACK, {"inbox_id": inbox_id})


def requeue(tx: Tx) -> int:
    """What the last process was working at waits again, its start counted; how many."""
    return tx.execute("UPDATE inbox SET state = 'waiting' WHERE state = 'working'")


def started_too_often(tx: Tx, max_starts: int) -> list[InboxRow]:
    """Rows that were being worked at and had `max_starts` starts; call before `requeue`."""
    return [row_of(row) for row in tx.all(_OFTEN, (max_starts,))]


def lanes(tx: Tx) -> list[LaneCount]:
    """Every lane with rows that have not ended."""
    rows = tx.all(_LANES)
    return [LaneCount(row["lane"], row["waiting"], row["due_at_ms"]) for row in rows]


def replay(tx: Tx, inbox_id: int, *, now_ms: int) -> InboxRow | None:
    """Let a dead letter wait again, as a new run; None if it is no dead letter with its text."""
    changed = tx.execute(_REPLAY, {"inbox_id": inbox_id, "now_ms": now_ms})
    return find(tx, inbox_id) if changed else None


def revise(tx: Tx, change: InboundMessage, lane: str) -> bool:
    """Its own sender changed a message that still waits; False if there is no such row.

    Args:
        tx: The transaction.
        change: The edit, with the text as it is now; `about_message_id` names the message.
        lane: Of the conversation it came from.
    """
    row = _changeable(tx, change, lane)
    if row is None or row.message is None:
        return False
    message = replace(row.message, text=change.text)
    tx.execute("UPDATE inbox SET body = ? WHERE inbox_id = ?", (_json(message), row.inbox_id))
    return True


def withdraw(tx: Tx, change: InboundMessage, lane: str, *, now_ms: int) -> bool:
    """Its own sender deleted a message that still waits; False if there is no such row."""
    row = _changeable(tx, change, lane)
    if row is None:
        return False
    return ack(tx, (row.inbox_id,), reason="deleted by its sender", now_ms=now_ms) == 1


def _changeable(tx: Tx, change: InboundMessage, lane: str) -> InboxRow | None:
    row = tx.one(
        _CHANGEABLE,
        {
            "channel": change.channel,
            "account": change.account,
            "message_id": change.about_message_id,
            "sender_id": change.sender.id,
            "lane": lane,
        },
    )
    return None if row is None else row_of(row)


def stop_waiting(tx: Tx, lane: str, before_id: int, *, now_ms: int) -> int:
    """End what waits in a lane and came before the row `before_id`; how many rows."""
    values = {"lane": lane, "before_id": before_id, "now_ms": now_ms}
    return tx.execute(_STOP, values)


def is_known(tx: Tx, channel: str, account: str, message_id: str) -> bool:
    """Whether that message came before."""
    return tx.one(_KNOWN, (channel, account, message_id)) is not None


def find(tx: Tx, inbox_id: int) -> InboxRow | None:
    """The row of that id."""
    row = tx.one("SELECT * FROM inbox WHERE inbox_id = ?", (inbox_id,))
    return None if row is None else row_of(row)


def page(tx: Tx, query: InboxQuery) -> list[InboxRow]:
    """The rows that fit, the newest first."""
    values = {
        "state": query.state.value if query.state else None,
        "channel": query.channel,
        "account": query.account,
        "before_id": query.before_id,
        "limit": min(max(query.limit, 1), _MAX_PAGE),
    }
    return [row_of(row) for row in tx.all(_PAGE, values)]


def counts(tx: Tx) -> dict[InboxState, int]:
    """How many rows stand where."""
    found = dict.fromkeys(InboxState, 0)
    for row in tx.all("SELECT state, count(*) AS n FROM inbox GROUP BY state"):
        found[InboxState(row["state"])] = row["n"]
    return found


def with_files(tx: Tx, *, bodies_before_ms: int, rows_before_ms: int) -> list[int]:
    """Rows that `prune` would forget and whose message came with files."""
    values = {"bodies": bodies_before_ms, "rows": rows_before_ms}
    return [row["inbox_id"] for row in tx.all(_WITH_FILES, values)]


def prune(tx: Tx, *, bodies_before_ms: int, rows_before_ms: int) -> int:
    """Forget texts that were answered long ago, then whole rows; how many rows went."""
    tx.execute(_FORGET_BODIES, (bodies_before_ms,))
    return tx.execute(_FORGET, (rows_before_ms,))


def row_of(row: Row) -> InboxRow:
    """A row with its JSON read; without both halves of it there is no message to act on."""
    values: dict[str, Any] = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row is no dict
    body = values.pop("body")
    message = None
    try:
        values["provenance"] = _PROVENANCE.decode(values["provenance"])
        message = None if body is None else _MESSAGE.decode(body)
    except msgspec.MsgspecError:
        values["provenance"] = _UNKNOWN
    values["state"] = InboxState(values["state"])
    for name in ("is_joinable", "is_command"):
        values[name] = bool(values[name])
    return InboxRow(message=message, **values)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
