"""SQL of the sender: what one step of it does to the rows, as one transaction.

A step writes down what became of earlier attempts, ends what is too old, and takes the next
heads that are due, so that one commit serves all of it. A row is taken by the state `sending`
with a lease and the next fencing number; a result is only written if its number is still the
row's. Doing the same step twice changes nothing the second time, except that it takes more.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from carapace.channels.outbox.backoff import GiveUp, RetryAt, Verdict
from carapace.channels.outbox.records import close, promote, row_of
from carapace.channels.outbox.types import (
    AccountKey,
    Attempt,
    Cause,
    OutboxRow,
    OutboxState,
)
from carapace.channels.types import Delivered
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = [
    "Grant",
    "Hold",
    "Mark",
    "Plan",
    "Recovered",
    "Taken",
    "recover",
    "save_screened",
    "step",
    "take_new",
]

Hold = tuple[int, int]
"""A row's id and the fence under which it was taken."""

_MAX_EXPIRED: Final = 200
_MAX_ACCOUNTS: Final = 1_000
_NO_ID: Final = ("", "")

_TAKE: Final = """
UPDATE outbox SET state = 'sending', fence = fence + 1, attempts = attempts + 1,
  taken_at_ms = :now_ms, lease_until_ms = :lease_until_ms
WHERE outbox_id IN (
  SELECT outbox_id FROM outbox
  WHERE channel = :channel AND account = :account
    AND is_head = 1 AND state IN ('waiting', 'unknown') AND next_at_ms <= :now_ms
    AND expires_at_ms > :now_ms
  ORDER BY next_at_ms, outbox_id LIMIT :limit
)
RETURNING *
"""
_TAKE_NEW: Final = """
UPDATE outbox SET state = 'sending', fence = fence + 1, attempts = attempts + 1,
  taken_at_ms = :now_ms, lease_until_ms = :lease_until_ms
WHERE outbox_id = :outbox_id AND is_head = 1 AND state = 'waiting' AND attempts = 0
  AND next_at_ms <= :now_ms AND expires_at_ms > :now_ms
RETURNING *
"""
_NEXT_ACCOUNT: Final = """
SELECT channel, account FROM outbox
WHERE is_head = 1 AND state IN ('waiting', 'unknown') AND (channel, account) > (?, ?)
ORDER BY channel, account LIMIT 1
"""
_NEXT_DUE: Final = """
SELECT next_at_ms FROM outbox
WHERE channel = ? AND account = ? AND is_head = 1 AND state IN ('waiting', 'unknown')
ORDER BY next_at_ms LIMIT 1
"""
_NEXT_EXPIRY: Final = """
SELECT expires_at_ms FROM outbox WHERE state IN ('waiting', 'unknown')
ORDER BY expires_at_ms LIMIT 1
"""
_EXPIRED: Final = """
SELECT * FROM outbox WHERE state IN ('waiting', 'unknown') AND expires_at_ms <= ?
ORDER BY expires_at_ms LIMIT ?
"""
_FIND: Final = "SELECT * FROM outbox WHERE outbox_id = ?"
_WAIT: Final = """
UPDATE outbox SET state = CASE :may_be_repeat WHEN 1 THEN 'unknown' ELSE 'waiting' END,
  may_be_repeat = :may_be_repeat, lease_until_ms = NULL, failures = failures + :failures,
  next_at_ms = :at_ms, reason = :reason, is_screened = :is_screened
WHERE outbox_id = :outbox_id AND state = 'sending' AND fence = :fence
"""
_ATTEMPT: Final = """
INSERT INTO attempts (outbox_id, attempt, started_at_ms, ended_at_ms, outcome, reason)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (outbox_id, attempt) DO NOTHING
"""
_SENDING: Final = "SELECT * FROM outbox WHERE state = 'sending'"
_LAPSED: Final = "SELECT * FROM outbox WHERE state = 'sending' AND lease_until_ms <= ?"
_RELEASE: Final = """
UPDATE outbox SET state = CASE may_be_repeat WHEN 1 THEN 'unknown' ELSE 'waiting' END,
  lease_until_ms = NULL, attempts = attempts - 1
WHERE outbox_id = ? AND state = 'sending'
"""
_DOUBT: Final = """
UPDATE outbox SET state = 'unknown', may_be_repeat = 1, lease_until_ms = NULL,
  next_at_ms = :now_ms, reason = :reason
WHERE outbox_id = :outbox_id AND state = 'sending' AND fence = :fence
"""
_CUT: Final = """
INSERT INTO attempts (outbox_id, attempt, started_at_ms, ended_at_ms, outcome, reason)
SELECT outbox_id, attempts, taken_at_ms, :now_ms, 'unknown', :reason FROM outbox
WHERE outbox_id = :outbox_id
ON CONFLICT (outbox_id, attempt) DO NOTHING
"""
_NEARER: Final = """
UPDATE outbox SET next_at_ms = :now_ms
WHERE state IN ('waiting', 'unknown')
  AND (next_at_ms > :cap_ms OR (failures = 0 AND next_at_ms > :now_ms))
"""
_YOUNGER: Final = """
UPDATE outbox SET expires_at_ms = :now_ms + expires_at_ms - created_at_ms,
  created_at_ms = :now_ms
WHERE ended_at_ms IS NULL AND created_at_ms > :slack_ms
"""
_SCREENED: Final = """
UPDATE outbox SET outgoing = :outgoing, is_screened = 1
WHERE outbox_id = :outbox_id AND state = 'sending' AND fence = :fence
"""
_CLOCK_SLACK_MS: Final = 60_000


class Grant(Value, frozen=True, kw_only=True):
    """How many heads of one account may be taken now."""

    key: AccountKey
    limit: int


class Mark(Value, frozen=True, kw_only=True):
    """What became of one attempt.

    Attributes:
        row: As it was taken.
        verdict: What follows.
        attempt: For the record.
        may_be_repeat: Afterwards: a copy may be there that nobody knows of.
        is_screened: The hooks have seen it.
    """

    row: OutboxRow
    verdict: Verdict
    attempt: Attempt
    may_be_repeat: bool
    is_screened: bool = False


class Plan(Value, frozen=True, kw_only=True):
    """What one step is to do.

    Attributes:
        now_ms: Wall time.
        lease_ms: How long a taken row is ours.
        max_wait_ms: No retry lies further ahead than this.
        marks: Results to write down.
        grants: What may be taken.
        in_flight: Rows that this process has given to channels, with the fence of that take.
        reads_back: The step before may or may not have been written: let go of rows that it
            took and that were never given to a channel.
        turns_back: The clock jumped backwards: bring times that lie ahead nearer.
        has_reserved: Rows may be `sending` by a reservation that has not heard of it yet: what
            is not in flight need not be lost, however old its lease.
    """

    now_ms: int
    lease_ms: int
    max_wait_ms: int
    marks: tuple[Mark, ...] = ()
    grants: tuple[Grant, ...] = ()
    in_flight: frozenset[Hold] = frozenset()
    reads_back: bool = False
    turns_back: bool = False
    has_reserved: bool = False


class Taken(Value, frozen=True, kw_only=True):
    """What one step did.

    Attributes:
        rows: To be given to their channels now; on disk as `sending`.
        ended: Rows that are delivered or dead since this step.
        fenced: Marks that were not written, since their row has been taken by another.
        accounts: Every account with a head that waits.
        next_at_ms: When something will be due: an expiry, or a head of an account that could
            have been given more.
    """

    rows: tuple[OutboxRow, ...]
    ended: tuple[OutboxRow, ...]
    fenced: tuple[Mark, ...]
    accounts: tuple[AccountKey, ...]
    next_at_ms: int | None


class Recovered(Value, frozen=True, kw_only=True):
    """What a start found.

    Attributes:
        unknown: Rows that the process before had taken.
        accounts: Every account with a head that waits.
    """

    unknown: int
    accounts: tuple[AccountKey, ...]


def step(tx: Tx, plan: Plan) -> Taken:
    """Do all of `plan` in this transaction."""
    if plan.reads_back:
        _release_strays(tx, plan.in_flight)
    if plan.turns_back:
        _turn_back(tx, plan.now_ms, plan.max_wait_ms)
    ended: list[OutboxRow] = []
    fenced: list[Mark] = []
    for mark in plan.marks:
        result = _write_mark(tx, mark, plan)
        if result is None:
            fenced.append(mark)
        else:
            ended.extend(result)
    if not plan.has_reserved:
        _doubt_lapsed(tx, plan)
    ended += _expire(tx, plan.now_ms)
    rows: list[OutboxRow] = []
    open_keys: list[AccountKey] = []
    for grant in plan.grants:
        taken = _take(tx, grant, plan)
        rows += taken
        if len(taken) < grant.limit:
            open_keys.append(grant.key)
    return Taken(
        rows=tuple(rows),
        ended=tuple(ended),
        fenced=tuple(fenced),
        accounts=_accounts(tx),
        next_at_ms=_next_at(tx, open_keys),
    )


def recover(tx: Tx, *, now_ms: int, max_wait_ms: int) -> Recovered:
    """At start: what the process before was sending may have arrived; no failure is counted."""
    rows = [row_of(row) for row in tx.all(_SENDING)]
    for row in rows:
        _doubt(tx, row, now_ms=now_ms, reason="the gateway ended while it was being sent")
    _turn_back(tx, now_ms, max_wait_ms)
    return Recovered(unknown=len(rows), accounts=_accounts(tx))


def take_new(tx: Tx, outbox_id: int, *, now_ms: int, lease_ms: int) -> OutboxRow | None:
    """Take a row that this transaction inserted; None if others of its conversation come first."""
    values = {"outbox_id": outbox_id, "now_ms": now_ms, "lease_until_ms": now_ms + lease_ms}
    found = tx.one(_TAKE_NEW, values)
    return None if found is None else row_of(found)


def save_screened(tx: Tx, row: OutboxRow, outgoing: str) -> bool:
    """Keep what the hooks made of a taken row; False if it is no longer ours."""
    values = {"outbox_id": row.outbox_id, "fence": row.fence, "outgoing": outgoing}
    return tx.execute(_SCREENED, values) == 1


def _write_mark(tx: Tx, mark: Mark, plan: Plan) -> tuple[OutboxRow, ...] | None:
    """Write a result; the rows it ended, or None if another has taken the row."""
    found = tx.one(_FIND, (mark.row.outbox_id,))
    if found is None:
        return None
    row = row_of(found)
    if row.fence != mark.row.fence:
        # A step that did not report back may have written the mark and taken the row anew.
        return () if plan.reads_back and row.fence == mark.row.fence + 1 else None
    if row.state is not OutboxState.SENDING:
        # Written by the step before, whose commit did not report back: tell of it all the same.
        return (row,) if row.ended_at_ms is not None else ()
    _write_attempt(tx, mark)
    match mark.verdict:
        case RetryAt() as verdict:
            _wait(tx, row, verdict, mark)
            # An older row may have been retried by a person while this one was being sent.
            promote(tx, row, now_ms=plan.now_ms)
            return ()
        case Delivered(message_id=message_id):
            return close(
                tx,
                row,
                state=OutboxState.DELIVERED,
                now_ms=plan.now_ms,
                message_id=message_id,
                may_be_repeat=mark.may_be_repeat,
            )
        case GiveUp(cause=cause, reason=reason):
            return close(
                tx,
                row,
                state=OutboxState.DEAD,
                now_ms=plan.now_ms,
                cause=cause,
                reason=reason,
                may_be_repeat=mark.may_be_repeat,
            )


def _wait(tx: Tx, row: OutboxRow, verdict: RetryAt, mark: Mark) -> None:
    tx.execute(
        _WAIT,
        {
            "outbox_id": row.outbox_id,
            "fence": row.fence,
            "at_ms": verdict.at_ms,
            "reason": verdict.reason,
            "may_be_repeat": mark.may_be_repeat,
            "is_screened": row.is_screened or mark.is_screened,
            "failures": int(verdict.is_failure),
        },
    )


def _write_attempt(tx: Tx, mark: Mark) -> None:
    one = mark.attempt
    tx.execute(
        _ATTEMPT,
        (
            mark.row.outbox_id,
            one.attempt,
            one.started_at_ms,
            one.ended_at_ms,
            one.outcome,
            one.reason,
        ),
    )


def _take(tx: Tx, grant: Grant, plan: Plan) -> list[OutboxRow]:
    channel, account = grant.key
    found = tx.all(
        _TAKE,
        {
            "channel": channel,
            "account": account,
            "limit": grant.limit,
            "now_ms": plan.now_ms,
            "lease_until_ms": plan.now_ms + plan.lease_ms,
        },
    )
    rows = [row_of(row) for row in found]
    # RETURNING promises no order.
    return sorted(rows, key=lambda row: (row.next_at_ms, row.outbox_id))


def _expire(tx: Tx, now_ms: int) -> list[OutboxRow]:
    ended: list[OutboxRow] = []
    for found in tx.all(_EXPIRED, (now_ms, _MAX_EXPIRED)):
        row = row_of(found)
        ended += close(
            tx,
            row,
            state=OutboxState.DEAD,
            now_ms=now_ms,
            cause=Cause.EXPIRED,
            reason=_expiry_reason(row),
        )
    return ended


def _expiry_reason(row: OutboxRow) -> str:
    last = f"; the last trouble was: {row.reason}" if row.reason else ""
    arrived = "; it may have arrived all the same" if row.may_be_repeat else ""
    return f"it was too old to be sent{last}{arrived}"


def _accounts(tx: Tx) -> tuple[AccountKey, ...]:
    """Walk the index from account to account; a DISTINCT would read all of it."""
    found: list[AccountKey] = []
    last: AccountKey = _NO_ID
    while len(found) < _MAX_ACCOUNTS:
        row = tx.one(_NEXT_ACCOUNT, last)
        if row is None:
            break
        last = (row["channel"], row["account"])
        found.append(last)
    return tuple(found)


def _next_at(tx: Tx, keys: list[AccountKey]) -> int | None:
    due = [tx.one(_NEXT_DUE, key) for key in keys]
    expiry = tx.one(_NEXT_EXPIRY)
    times = [row["next_at_ms"] for row in due if row is not None]
    if expiry is not None:
        times.append(expiry["expires_at_ms"])
    return min(times, default=None)


def _release_strays(tx: Tx, in_flight: frozenset[Hold]) -> None:
    """Rows that a step took whose commit did not report back: nobody was asked to send them."""
    for found in tx.all(_SENDING):
        if (found["outbox_id"], found["fence"]) not in in_flight:
            tx.execute(_RELEASE, (found["outbox_id"],))


def _doubt_lapsed(tx: Tx, plan: Plan) -> None:
    """A lease that passed without its holder: whoever held it may have sent."""
    for found in tx.all(_LAPSED, (plan.now_ms,)):
        row = row_of(found)
        if (row.outbox_id, row.fence) not in plan.in_flight:
            _doubt(tx, row, now_ms=plan.now_ms, reason="its sender did not report back")


def _doubt(tx: Tx, row: OutboxRow, *, now_ms: int, reason: str) -> None:
    values = {"outbox_id": row.outbox_id, "now_ms": now_ms, "reason": reason}
    tx.execute(_CUT, values)
    tx.execute(_DOUBT, {**values, "fence": row.fence})
    promote(tx, replace(row, state=OutboxState.UNKNOWN), now_ms=now_ms)


def _turn_back(tx: Tx, now_ms: int, max_wait_ms: int) -> None:
    """Rows whose times lie in a future that the clock has left: count from now instead.

    What never failed waits for nothing; what waits longer than anybody may ask for does so by
    mistake. Both are due now.
    """
    tx.execute(_YOUNGER, {"now_ms": now_ms, "slack_ms": now_ms + _CLOCK_SLACK_MS})
    tx.execute(_NEARER, {"now_ms": now_ms, "cap_ms": now_ms + max_wait_ms})
