"""SQL of the outbox: put, find, list, retry, drop, prune. Functions over `Tx`, to be composed.

`insert` belongs in the transaction of what causes the message. What the sender does to rows is
in `outbox_claims.py`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from carapace.channels.outbox.types import (
    MAX_PAGE,
    Attempt,
    AttemptOutcome,
    Cause,
    OutboxCounts,
    OutboxPage,
    OutboxQuery,
    OutboxRow,
    OutboxState,
)
from carapace.channels.types import Outgoing
from carapace.provenance import Provenance
from carapace.store.ports import Row, Tx

__all__ = [
    "attempts_of",
    "close",
    "counts",
    "drop",
    "encode_outgoing",
    "find",
    "find_key",
    "insert",
    "mark_told",
    "media_owner",
    "page",
    "promote",
    "prune",
    "retry",
    "row_of",
    "untold",
    "waiting_in",
]

_INSERT: Final = """
INSERT INTO outbox (idempotency_key, channel, account, conversation, outgoing, provenance,
  run_id, part_of, state, is_head, next_at_ms, created_at_ms, expires_at_ms)
SELECT :idempotency_key, :channel, :account, :conversation, :outgoing, :provenance,
  :run_id, :part_of, 'waiting',
  NOT EXISTS (
    SELECT 1 FROM outbox WHERE channel = :channel AND account = :account
    AND conversation = :conversation AND ended_at_ms IS NULL
  ),
  :created_at_ms, :created_at_ms, :expires_at_ms
WHERE true
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING outbox_id
"""
_FIND: Final = "SELECT * FROM outbox WHERE outbox_id = ?"
_FIND_KEY: Final = "SELECT outbox_id FROM outbox WHERE idempotency_key = ?"
_ATTEMPTS: Final = """
SELECT attempt, started_at_ms, ended_at_ms, outcome, reason FROM attempts
WHERE outbox_id = ? ORDER BY attempt DESC LIMIT 200
"""
_PAGE: Final = """
SELECT * FROM outbox
WHERE (:state IS NULL OR state = :state)
  AND (:channel IS NULL OR channel = :channel)
  AND (:account IS NULL OR account = :account)
  AND (:conversation IS NULL OR conversation = :conversation)
  AND (:before_id IS NULL OR outbox_id < :before_id)
ORDER BY outbox_id DESC LIMIT :limit
"""
_OPEN: Final = """
SELECT channel, account, count(*) AS n, min(created_at_ms) AS oldest_at_ms FROM outbox
WHERE ended_at_ms IS NULL GROUP BY channel, account
"""
_SENDING: Final = "SELECT count(*) AS n FROM outbox WHERE state = 'sending'"
_UNKNOWN: Final = "SELECT count(*) AS n FROM outbox WHERE state = 'unknown'"
_DEAD: Final = "SELECT count(*) AS n FROM outbox WHERE state = 'dead' AND ended_at_ms IS NOT NULL"
_WAITING_IN: Final = """
SELECT count(*) AS n FROM outbox
WHERE channel = ? AND account = ? AND conversation = ? AND ended_at_ms IS NULL
"""
_CLOSE: Final = """
UPDATE outbox SET state = :state, is_head = 0, ended_at_ms = :now_ms, lease_until_ms = NULL,
  cause = :cause, reason = :reason, message_id = :message_id, is_told = :is_told,
  may_be_repeat = :may_be_repeat
WHERE outbox_id = :outbox_id AND ended_at_ms IS NULL
"""
_FOLLOWERS: Final = """
SELECT * FROM outbox WHERE part_of = ? AND outbox_id > ?
  AND state IN ('waiting', 'unknown') ORDER BY outbox_id
"""
_HEAD: Final = """
SELECT outbox_id, state FROM outbox
WHERE channel = ? AND account = ? AND conversation = ? AND is_head = 1
"""
_FIRST: Final = """
SELECT outbox_id, is_head FROM outbox WHERE channel = ? AND account = ? AND conversation = ?
  AND ended_at_ms IS NULL ORDER BY outbox_id LIMIT 1
"""
_DEMOTE: Final = "UPDATE outbox SET is_head = 0 WHERE outbox_id = ?"
_PROMOTE: Final = """
UPDATE outbox SET is_head = 1,
  next_at_ms = CASE WHEN next_at_ms < :now_ms THEN :now_ms ELSE next_at_ms END
WHERE outbox_id = :outbox_id AND is_head = 0
"""
_NOW: Final = """
UPDATE outbox SET next_at_ms = :now_ms, failures = 0,
  expires_at_ms = CASE WHEN expires_at_ms < :until THEN :until ELSE expires_at_ms END
WHERE outbox_id = :outbox_id AND state IN ('waiting', 'unknown')
"""
_REVIVE: Final = """
UPDATE outbox SET state = CASE may_be_repeat WHEN 1 THEN 'unknown' ELSE 'waiting' END,
  next_at_ms = :now_ms, expires_at_ms = :until, failures = 0, ended_at_ms = NULL,
  cause = NULL, reason = NULL, is_told = 0
WHERE state = 'dead'
  AND (outbox_id = :outbox_id OR (part_of = :part_of AND cause = 'followed'))
"""
_UNTOLD: Final = """
SELECT * FROM outbox WHERE state = 'dead' AND is_told = 0 ORDER BY outbox_id LIMIT ?
"""
_MARK_TOLD: Final = "UPDATE outbox SET is_told = 1 WHERE outbox_id = ? AND state = 'dead'"
_OLD: Final = """
SELECT outbox_id FROM outbox WHERE state = ? AND ended_at_ms IS NOT NULL AND ended_at_ms < ?
ORDER BY ended_at_ms LIMIT ?
"""
_DELETE: Final = "DELETE FROM outbox WHERE outbox_id = ? AND ended_at_ms IS NOT NULL"

_decode_outgoing = msgspec.json.Decoder(Outgoing).decode
_decode_provenance = msgspec.json.Decoder(Provenance).decode
_encode = msgspec.json.Encoder().encode


def insert(
    tx: Tx,
    outgoing: Outgoing,
    *,
    provenance: Provenance,
    run_id: str | None,
    created_at_ms: int,
    expires_at_ms: int,
    group: str | None = None,
) -> int | None:
    """Put a message at the end of its conversation.

    Tell the sender afterwards (`Outbox.notify`), when the transaction is on disk.

    Args:
        tx: Of what causes the message.
        outgoing: `attempt` and `may_be_repeat` are the sender's and not kept.
        provenance: Of the words.
        run_id: The turn that wrote them.
        created_at_ms: Now.
        expires_at_ms: When they are too old to be sent.
        group: The same for all parts of one answer: when one is dead, later ones are too.

    Returns:
        Its id; None if the idempotency key is there already.
    """
    target = outgoing.target
    row = tx.one(
        _INSERT,
        {
            "idempotency_key": outgoing.idempotency_key,
            "channel": target.channel,
            "account": target.account,
            "conversation": target.conversation,
            "outgoing": encode_outgoing(outgoing),
            "provenance": _encode(provenance).decode(),
            "run_id": run_id,
            "part_of": group,
            "created_at_ms": created_at_ms,
            "expires_at_ms": expires_at_ms,
        },
    )
    return None if row is None else int(row["outbox_id"])


def encode_outgoing(outgoing: Outgoing) -> str:
    """As a row keeps it: without what changes from attempt to attempt."""
    return _encode(replace(outgoing, attempt=1, may_be_repeat=False)).decode()


def find(tx: Tx, outbox_id: int) -> OutboxRow | None:
    """The row of that id."""
    row = tx.one(_FIND, (outbox_id,))
    return None if row is None else row_of(row)


def find_key(tx: Tx, idempotency_key: str) -> int | None:
    """The id of the row with that key."""
    row = tx.one(_FIND_KEY, (idempotency_key,))
    return None if row is None else int(row["outbox_id"])


def attempts_of(tx: Tx, outbox_id: int) -> tuple[Attempt, ...]:
    """The newest 200 ended attempts of a row, oldest first."""
    return tuple(
        Attempt(
            attempt=row["attempt"],
            started_at_ms=row["started_at_ms"],
            ended_at_ms=row["ended_at_ms"],
            outcome=AttemptOutcome(row["outcome"]),
            reason=row["reason"],
        )
        for row in reversed(tx.all(_ATTEMPTS, (outbox_id,)))
    )


def page(tx: Tx, query: OutboxQuery) -> OutboxPage:
    """Rows, newest first."""
    limit = max(1, min(query.limit, MAX_PAGE))
    found = tx.all(
        _PAGE,
        {
            "state": query.state,
            "channel": query.channel,
            "account": query.account,
            "conversation": query.conversation,
            "before_id": query.before_id,
            "limit": limit + 1,
        },
    )
    rows = tuple(row_of(row) for row in found[:limit])
    return OutboxPage(rows=rows, next_before_id=rows[-1].outbox_id if len(found) > limit else None)


def counts(tx: Tx) -> OutboxCounts:
    """How much is in the outbox; reads indexes only."""
    open_rows = tx.all(_OPEN)
    return OutboxCounts(
        waiting=sum(row["n"] for row in open_rows),
        sending=_count(tx, _SENDING),
        unknown=_count(tx, _UNKNOWN),
        dead=_count(tx, _DEAD),
        oldest_at_ms=min((row["oldest_at_ms"] for row in open_rows), default=None),
        by_account={(row["channel"], row["account"]): row["n"] for row in open_rows},
    )


def waiting_in(tx: Tx, *, channel: str, account: str, conversation: str) -> int:
    """How many open rows a conversation has."""
    return _count(tx, _WAITING_IN, (channel, account, conversation))


def close(
    tx: Tx,
    row: OutboxRow,
    *,
    state: OutboxState,
    now_ms: int,
    cause: Cause | None = None,
    reason: str | None = None,
    message_id: str | None = None,
    may_be_repeat: bool | None = None,
    is_told: bool = False,
) -> tuple[OutboxRow, ...]:
    """End an open row, and with a dead one the later parts of its answer; then the next is head.

    Returns:
        The ended rows as they now stand; empty if it had ended before.
    """
    repeat = row.may_be_repeat if may_be_repeat is None else may_be_repeat
    changed = tx.execute(
        _CLOSE,
        {
            "outbox_id": row.outbox_id,
            "state": state,
            "now_ms": now_ms,
            "cause": cause,
            "reason": reason,
            "message_id": message_id,
            "is_told": is_told,
            "may_be_repeat": repeat,
        },
    )
    if not changed:
        return ()
    closed = [
        replace(
            row,
            state=state,
            ended_at_ms=now_ms,
            cause=cause,
            reason=reason,
            message_id=message_id,
            may_be_repeat=repeat,
        )
    ]
    if state is OutboxState.DEAD and row.part_of is not None:
        closed += _close_followers(tx, row, now_ms=now_ms, is_told=is_told)
    promote(tx, row, now_ms=now_ms)
    return tuple(closed)


def _close_followers(tx: Tx, row: OutboxRow, *, now_ms: int, is_told: bool) -> list[OutboxRow]:
    closed: list[OutboxRow] = []
    for later in tx.all(_FOLLOWERS, (row.part_of, row.outbox_id)):
        # A follower has no part that follows on it alone: all of them are in this list.
        one = replace(row_of(later), part_of=None)
        closed += close(
            tx,
            one,
            state=OutboxState.DEAD,
            now_ms=now_ms,
            cause=Cause.FOLLOWED,
            reason="an earlier part of the same answer was not delivered",
            is_told=is_told,
        )
    return [replace(one, part_of=row.part_of) for one in closed]


def promote(tx: Tx, row: OutboxRow, *, now_ms: int) -> None:
    """Make the first open row of `row`'s conversation its head.

    A head that is being sent stays. A new head queues behind the heads of other conversations
    that wait already, so that a long conversation does not hold up short ones.
    """
    where = (row.channel, row.account, row.conversation)
    first = tx.one(_FIRST, where)
    if first is None or first["is_head"]:
        return
    head = tx.one(_HEAD, where)
    if head is not None and head["state"] == OutboxState.SENDING:
        return
    if head is not None:
        tx.execute(_DEMOTE, (head["outbox_id"],))
    tx.execute(_PROMOTE, {"outbox_id": first["outbox_id"], "now_ms": now_ms})


def retry(tx: Tx, row: OutboxRow, *, now_ms: int, expires_at_ms: int) -> OutboxRow | None:
    """Send a dead row (and the parts that died with it) or a waiting one now, with a new life.

    It takes its place by age: before what was put later. What may have arrived stays so marked.

    Returns:
        The row as it now stands; None if it is delivered or being sent.
    """
    values = {"outbox_id": row.outbox_id, "now_ms": now_ms, "until": expires_at_ms}
    if row.state is OutboxState.DEAD:
        tx.execute(_REVIVE, {**values, "part_of": row.part_of})
        promote(tx, row, now_ms=now_ms)
    elif not tx.execute(_NOW, values):
        return None
    return find(tx, row.outbox_id)


def drop(tx: Tx, row: OutboxRow, *, reason: str, now_ms: int) -> tuple[OutboxRow, ...]:
    """Give a waiting row up because a person says so; nobody has to be told of it."""
    return close(
        tx,
        row,
        state=OutboxState.DEAD,
        now_ms=now_ms,
        cause=Cause.DROPPED,
        reason=reason,
        is_told=True,
    )


def untold(tx: Tx, limit: int = 200) -> tuple[OutboxRow, ...]:
    """Dead rows that nobody was told of, oldest first."""
    return tuple(row_of(row) for row in tx.all(_UNTOLD, (limit,)))


def mark_told(tx: Tx, outbox_ids: tuple[int, ...]) -> None:
    """Somebody was told of these."""
    for outbox_id in outbox_ids:
        tx.execute(_MARK_TOLD, (outbox_id,))


def prune(tx: Tx, state: OutboxState, *, before_ms: int, limit: int = 500) -> tuple[int, ...]:
    """Forget rows in an ended `state` that ended before `before_ms`; the ids of those gone."""
    ids = tuple(int(row["outbox_id"]) for row in tx.all(_OLD, (state, before_ms, limit)))
    for outbox_id in ids:
        tx.execute(_DELETE, (outbox_id,))
    return ids


def media_owner(outbox_id: int) -> str:
    """How a row is named where it keeps media alive."""
    return f"outbox:{outbox_id}"


def row_of(row: Row) -> OutboxRow:
    """A row of the table as a value; what cannot be read is None, never an exception."""
    cause = row["cause"]
    return OutboxRow(
        outbox_id=row["outbox_id"],
        idempotency_key=row["idempotency_key"],
        channel=row["channel"],
        account=row["account"],
        conversation=row["conversation"],
        outgoing=_readable(_decode_outgoing, row["outgoing"]),
        provenance=_readable(_decode_provenance, row["provenance"]),
        run_id=row["run_id"],
        part_of=row["part_of"],
        state=OutboxState(row["state"]),
        attempts=row["attempts"],
        failures=row["failures"],
        fence=row["fence"],
        may_be_repeat=bool(row["may_be_repeat"]),
        is_screened=bool(row["is_screened"]),
        next_at_ms=row["next_at_ms"],
        created_at_ms=row["created_at_ms"],
        expires_at_ms=row["expires_at_ms"],
        taken_at_ms=row["taken_at_ms"],
        ended_at_ms=row["ended_at_ms"],
        message_id=row["message_id"],
        cause=None if cause is None else Cause(cause),
        reason=row["reason"],
    )


def _readable(decode: Any, text: str) -> Any:
    try:
        return decode(text)
    except msgspec.DecodeError:
        return None


def _count(tx: Tx, sql: str, params: tuple[Any, ...] = ()) -> int:
    row = tx.one(sql, params)
    return 0 if row is None else int(row["n"])
