"""Rows of the outbox: put, listed, closed, revived, forgotten."""

from __future__ import annotations

import sqlite3

import pytest

from carapace.channels.outbox import records
from carapace.channels.outbox.claims import Grant, Plan, step
from carapace.channels.outbox.types import Cause, OutboxQuery, OutboxRow, OutboxState
from carapace.channels.types import Outgoing, OutgoingKind
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.store.ports import Tx
from support.outbox import invariants, memory_tx, outgoing, put

GUEST = Provenance(
    origin=Origin.CHANNEL, authority=Authority.GUEST, channel="recording", sender_id="s"
)


def row(tx: Tx, outbox_id: int) -> OutboxRow:
    found = records.find(tx, outbox_id)
    assert found is not None
    return found


def take(tx: Tx, now_ms: int = 0) -> OutboxRow:
    grant = Grant(key=("recording", "default"), limit=1)
    taken = step(tx, Plan(now_ms=now_ms, lease_ms=1, max_wait_ms=1, grants=(grant,)))
    return taken.rows[0]


def die(tx: Tx, outbox_id: int, **more: object) -> tuple[OutboxRow, ...]:
    return records.close(
        tx,
        row(tx, outbox_id),
        state=OutboxState.DEAD,
        now_ms=9,
        cause=Cause.REFUSED,
        reason="no",
        **more,  # type: ignore[arg-type]
    )


def test_what_is_put_is_read_as_it_was():
    tx = memory_tx()
    made = outgoing(
        "k", "room", kind=OutgoingKind.EDIT, about_message_id="m", media=("a",), reply_to="r"
    )
    key = records.insert(
        tx, made, provenance=GUEST, run_id="run", created_at_ms=5, expires_at_ms=9, group="g"
    )
    assert key is not None
    found = row(tx, key)
    assert found.outgoing == made
    assert found.provenance == GUEST
    assert (found.run_id, found.part_of, found.created_at_ms, found.expires_at_ms) == (
        "run",
        "g",
        5,
        9,
    )
    assert (found.state, found.attempts, found.may_be_repeat) == (OutboxState.WAITING, 0, False)


def test_the_same_key_again_changes_nothing():
    tx = memory_tx()
    first = put(tx, "k")
    again = records.insert(
        tx,
        outgoing("k", "elsewhere"),
        provenance=GUEST,
        run_id=None,
        created_at_ms=1,
        expires_at_ms=2,
    )
    assert again is None
    assert records.find_key(tx, "k") == first
    assert row(tx, first).conversation == "room"


def test_what_changes_from_attempt_to_attempt_is_not_kept():
    tx = memory_tx()
    key = records.insert(
        tx,
        outgoing("k", attempt=7, may_be_repeat=True),
        provenance=OWNER,
        run_id=None,
        created_at_ms=0,
        expires_at_ms=1,
    )
    assert key is not None
    kept = row(tx, key).outgoing
    assert isinstance(kept, Outgoing)
    assert (kept.attempt, kept.may_be_repeat) == (1, False)


def test_one_head_a_conversation():
    tx = memory_tx()
    ids = [put(tx, f"{room}{n}", room) for n in range(3) for room in ("one", "two")]
    invariants(tx)
    heads = [found["outbox_id"] for found in tx.all("SELECT * FROM outbox WHERE is_head = 1")]
    assert heads == ids[:2]


def test_the_schema_allows_no_second_head_and_no_state_without_its_facts():
    tx = memory_tx()
    put(tx, "a")
    second = put(tx, "b")
    for change in (
        "is_head = 1",
        "state = 'dead'",
        "state = 'unknown'",
        "state = 'gone'",
        "ended_at_ms = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            tx.execute(f"UPDATE outbox SET {change} WHERE outbox_id = ?", (second,))  # noqa: S608


def test_a_closed_head_makes_room_for_the_next():
    tx = memory_tx()
    first, second = put(tx, "a"), put(tx, "b")
    [closed] = records.close(
        tx, row(tx, first), state=OutboxState.DELIVERED, now_ms=50, message_id="m"
    )
    assert (closed.state, closed.message_id, closed.ended_at_ms) == (
        OutboxState.DELIVERED,
        "m",
        50,
    )
    assert closed == row(tx, first)
    # It queues behind what waits already in other conversations.
    assert row(tx, second).next_at_ms == 50
    invariants(tx)


def test_what_ended_does_not_end_again():
    tx = memory_tx()
    first = put(tx, "a")
    before = row(tx, first)
    assert die(tx, first)
    assert records.close(tx, before, state=OutboxState.DELIVERED, now_ms=10) == ()
    assert row(tx, first).state is OutboxState.DEAD


def test_later_parts_of_a_dead_answer_die_with_it():
    tx = memory_tx()
    parts = [put(tx, f"p{n}", group="g") for n in range(3)]
    other = put(tx, "other")
    records.close(tx, row(tx, parts[0]), state=OutboxState.DELIVERED, now_ms=1)
    closed = die(tx, parts[1])
    assert [(one.outbox_id, one.cause, one.part_of) for one in closed] == [
        (parts[1], Cause.REFUSED, "g"),
        (parts[2], Cause.FOLLOWED, "g"),
    ]
    assert row(tx, parts[0]).state is OutboxState.DELIVERED
    assert row(tx, other).state is OutboxState.WAITING
    invariants(tx)


def test_a_retry_brings_back_the_parts_in_their_order():
    tx = memory_tx()
    parts = [put(tx, f"p{n}", group="g") for n in range(3)]
    later = put(tx, "later")
    die(tx, parts[0])
    after = records.retry(tx, row(tx, parts[0]), now_ms=100, expires_at_ms=500)
    assert after is not None
    assert (after.state, after.next_at_ms, after.expires_at_ms) == (OutboxState.WAITING, 100, 500)
    assert {row(tx, one).state for one in parts} == {OutboxState.WAITING}
    invariants(tx)
    # They are older than `later`, which had become the head, so they go first.
    assert take(tx, 100).outbox_id == parts[0]
    assert row(tx, later).state is OutboxState.WAITING


def test_what_may_have_arrived_is_retried_as_unknown():
    tx = memory_tx()
    first = put(tx, "a")
    die(tx, first, may_be_repeat=True)
    after = records.retry(tx, row(tx, first), now_ms=1, expires_at_ms=2)
    assert after is not None
    assert after.state is OutboxState.UNKNOWN
    assert after.may_be_repeat


def test_a_retry_waits_for_what_is_being_sent():
    tx = memory_tx()
    first, second = put(tx, "a"), put(tx, "b")
    die(tx, first)
    assert take(tx, 10).outbox_id == second
    records.retry(tx, row(tx, first), now_ms=20, expires_at_ms=1_000)
    invariants(tx)
    assert row(tx, second).state is OutboxState.SENDING
    records.close(tx, row(tx, second), state=OutboxState.DELIVERED, now_ms=30)
    assert take(tx, 30).outbox_id == first


def test_a_waiting_row_is_retried_at_once_and_lives_on():
    tx = memory_tx()
    first = put(tx, "a", at_ms=0, ttl_ms=1_000)
    tx.execute("UPDATE outbox SET next_at_ms = 900, failures = 7")
    after = records.retry(tx, row(tx, first), now_ms=10, expires_at_ms=5_000)
    assert after is not None
    assert (after.next_at_ms, after.failures, after.expires_at_ms) == (10, 0, 5_000)


def test_what_is_being_sent_is_not_retried():
    tx = memory_tx()
    put(tx, "a")
    assert records.retry(tx, take(tx), now_ms=0, expires_at_ms=1) is None


def test_a_dropped_row_is_dead_and_nobody_is_told():
    tx = memory_tx()
    first = put(tx, "a")
    [dropped] = records.drop(tx, row(tx, first), reason="not needed", now_ms=3)
    assert (dropped.cause, dropped.reason) == (Cause.DROPPED, "not needed")
    assert records.untold(tx) == ()


def test_the_dead_wait_to_be_told_of():
    tx = memory_tx()
    first, second = put(tx, "a"), put(tx, "b")
    die(tx, first)
    die(tx, second)
    assert [one.outbox_id for one in records.untold(tx)] == [first, second]
    records.mark_told(tx, (first,))
    assert [one.outbox_id for one in records.untold(tx)] == [second]


def test_pages_are_newest_first_and_end():
    tx = memory_tx()
    ids = [put(tx, f"k{n}") for n in range(5)]
    page = records.page(tx, OutboxQuery(limit=3))
    assert [one.outbox_id for one in page.rows] == ids[:1:-1]
    rest = records.page(tx, OutboxQuery(limit=3, before_id=page.next_before_id))
    assert [one.outbox_id for one in rest.rows] == [ids[1], ids[0]]
    assert rest.next_before_id is None


def test_pages_are_narrowed():
    tx = memory_tx()
    one, two = put(tx, "a", "one"), put(tx, "b", "two", account="second")
    die(tx, one)

    def ids(query: OutboxQuery) -> list[int]:
        return [found.outbox_id for found in records.page(tx, query).rows]

    assert ids(OutboxQuery(state=OutboxState.DEAD)) == [one]
    assert ids(OutboxQuery(account="second")) == [two]
    assert ids(OutboxQuery(conversation="one", channel="recording")) == [one]
    assert ids(OutboxQuery(channel="other")) == []
    assert ids(OutboxQuery(limit=0)) == [two]


def test_counts_tell_what_is_open_and_what_is_dead():
    tx = memory_tx()
    first = put(tx, "a", "one", at_ms=10)
    put(tx, "b", "two", at_ms=7, account="second")
    put(tx, "c", "three", at_ms=20)
    die(tx, first)
    take(tx, 30)
    counts = records.counts(tx)
    assert (counts.waiting, counts.sending, counts.unknown, counts.dead) == (2, 1, 0, 1)
    assert counts.oldest_at_ms == 7
    assert counts.by_account == {("recording", "default"): 1, ("recording", "second"): 1}
    assert records.waiting_in(tx, channel="recording", account="default", conversation="one") == 0
    assert records.waiting_in(tx, channel="recording", account="default", conversation="three") == 1


def test_an_empty_outbox_has_no_oldest():
    counts = records.counts(memory_tx())
    assert (counts.waiting, counts.oldest_at_ms, counts.by_account) == (0, None, {})


def test_old_rows_are_forgotten_with_their_attempts_and_open_ones_never():
    tx = memory_tx()
    first, second = put(tx, "a"), put(tx, "b")
    tx.execute("INSERT INTO attempts VALUES (?, 1, 0, 1, 'dead', NULL)", (first,))
    assert len(records.attempts_of(tx, first)) == 1
    die(tx, first)
    assert records.prune(tx, OutboxState.DEAD, before_ms=9) == ()
    assert records.prune(tx, OutboxState.DELIVERED, before_ms=10) == ()
    assert records.prune(tx, OutboxState.DEAD, before_ms=10) == (first,)
    assert records.find(tx, first) is None
    assert records.attempts_of(tx, first) == ()
    assert records.prune(tx, OutboxState.WAITING, before_ms=10**15) == ()
    assert row(tx, second).state is OutboxState.WAITING


def test_a_row_that_cannot_be_read_is_a_value_without_words():
    tx = memory_tx()
    first = put(tx, "a")
    tx.execute("UPDATE outbox SET outgoing = '{', provenance = '{\"origin\": \"moon\"}'")
    found = row(tx, first)
    assert found.outgoing is None
    assert found.provenance is None


def test_owners_of_media_are_named_by_room_and_number():
    assert records.media_owner(17) == "outbox:17"
