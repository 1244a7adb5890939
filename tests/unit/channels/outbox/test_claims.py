"""One step of the sender on the rows."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from carapace.channels.outbox import claims, records
from carapace.channels.outbox.backoff import GiveUp, RetryAt, Verdict
from carapace.channels.outbox.claims import Grant, Mark, Plan, Taken
from carapace.channels.outbox.types import Attempt, AttemptOutcome, Cause, OutboxRow, OutboxState
from carapace.channels.types import Delivered
from carapace.store.ports import Tx
from support.outbox import invariants, memory_tx, put

KEY = ("recording", "default")


def plan(now_ms: int = 0, *marks: Mark, limit: int = 8, **more: Any) -> Plan:
    grants = (Grant(key=KEY, limit=limit),) if limit else ()
    return Plan(
        now_ms=now_ms, lease_ms=1_000, max_wait_ms=60_000, marks=marks, grants=grants, **more
    )


def go(tx: Tx, *given: Any, **more: Any) -> Taken:
    taken = claims.step(tx, plan(*given, **more))
    invariants(tx)
    return taken


def ids(rows: tuple[OutboxRow, ...]) -> list[int]:
    return [row.outbox_id for row in rows]


def row(tx: Tx, outbox_id: int) -> OutboxRow:
    found = records.find(tx, outbox_id)
    assert found is not None
    return found


def hold(one: OutboxRow) -> frozenset[claims.Hold]:
    return frozenset({(one.outbox_id, one.fence)})


def mark(taken: OutboxRow, verdict: Verdict, *, may_be_repeat: bool = False) -> Mark:
    match verdict:
        case Delivered():
            name = AttemptOutcome.DELIVERED
        case RetryAt():
            name = AttemptOutcome.UNKNOWN if may_be_repeat else AttemptOutcome.RETRY
        case GiveUp():
            name = AttemptOutcome.DEAD
    return Mark(
        row=taken,
        verdict=verdict,
        attempt=Attempt(
            attempt=taken.attempts, started_at_ms=1, ended_at_ms=2, outcome=name, reason="r"
        ),
        may_be_repeat=may_be_repeat,
    )


def test_only_heads_are_taken_one_a_conversation():
    tx = memory_tx()
    first, _, other = put(tx, "a"), put(tx, "b"), put(tx, "c", "two")
    taken = go(tx)
    assert ids(taken.rows) == [first, other]
    assert {one.state for one in taken.rows} == {OutboxState.SENDING}
    assert [(one.attempts, one.fence, one.taken_at_ms) for one in taken.rows] == [(1, 1, 0)] * 2
    assert go(tx).rows == ()


def test_no_more_than_granted_and_the_oldest_due_first():
    tx = memory_tx()
    late = put(tx, "late", "one", at_ms=5)
    early = put(tx, "early", "two", at_ms=1)
    assert ids(go(tx, 10, limit=1).rows) == [early]
    assert ids(go(tx, 10, limit=1).rows) == [late]


def test_an_account_without_a_grant_waits_and_is_named():
    tx = memory_tx()
    put(tx, "a", account="second")
    taken = go(tx, limit=0)
    assert taken.rows == ()
    assert taken.accounts == (("recording", "second"),)


def test_a_long_conversation_takes_turns_with_a_new_one():
    tx = memory_tx()
    backlog = [put(tx, f"a{n}", "long", at_ms=0) for n in range(3)]
    [first] = go(tx, 100, limit=1).rows
    assert first.outbox_id == backlog[0]
    new = put(tx, "new", "short", at_ms=100)
    order = [first.outbox_id]
    for now_ms in range(200, 500, 100):
        [taken] = go(tx, now_ms, mark(first, Delivered()), limit=1).rows
        order.append(taken.outbox_id)
        first = taken
    assert order == [backlog[0], new, backlog[1], backlog[2]]


def test_delivered_ends_the_row_and_lets_the_next_go_in_the_same_step():
    tx = memory_tx()
    first, second = put(tx, "a"), put(tx, "b")
    [taken] = go(tx).rows
    after = go(tx, 50, mark(taken, Delivered(message_id="m")))
    assert ids(after.ended) == [first]
    assert ids(after.rows) == [second]
    assert row(tx, first).message_id == "m"
    [attempt] = records.attempts_of(tx, first)
    assert (attempt.attempt, attempt.outcome) == (1, AttemptOutcome.DELIVERED)


def test_a_retry_waits_until_its_time_and_holds_up_only_its_own():
    tx = memory_tx()
    put(tx, "a")
    put(tx, "b")
    other = put(tx, "c", "two")
    [taken] = go(tx, limit=1).rows
    after = go(tx, 10, mark(taken, RetryAt(at_ms=500, reason="busy")))
    assert ids(after.rows) == [other]
    assert after.next_at_ms == 500
    waiting = row(tx, taken.outbox_id)
    assert (waiting.state, waiting.failures, waiting.reason) == (OutboxState.WAITING, 1, "busy")
    assert go(tx, 499).rows == ()
    assert ids(go(tx, 500).rows) == [taken.outbox_id]


def test_a_doubt_is_in_the_row_before_the_next_attempt():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    go(tx, 1, mark(taken, RetryAt(at_ms=1, reason="reset"), may_be_repeat=True), limit=0)
    assert row(tx, taken.outbox_id).state is OutboxState.UNKNOWN
    [again] = go(tx, 1).rows
    assert again.may_be_repeat
    assert (again.attempts, again.fence) == (2, 2)
    go(tx, 2, mark(again, RetryAt(at_ms=9, reason="busy")), limit=0)
    assert row(tx, taken.outbox_id).state is OutboxState.WAITING


def test_what_was_not_tried_counts_no_failure():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    verdict = RetryAt(at_ms=1, reason="stopped", is_failure=False)
    go(tx, 1, mark(taken, verdict), limit=0)
    assert row(tx, taken.outbox_id).failures == 0


def test_dead_is_kept_with_its_cause():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    [ended] = go(tx, 7, mark(taken, GiveUp(cause=Cause.REFUSED, reason="blocked"))).ended
    assert (ended.state, ended.cause, ended.reason) == (
        OutboxState.DEAD,
        Cause.REFUSED,
        "blocked",
    )
    assert ids(records.untold(tx)) == [taken.outbox_id]


def test_a_result_with_an_old_fence_is_not_written():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    late = mark(replace(taken, fence=taken.fence - 1), Delivered())
    after = go(tx, 1, late, in_flight=hold(taken))
    assert after.fenced == (late,)
    assert after.ended == ()
    assert row(tx, taken.outbox_id).state is OutboxState.SENDING


def test_a_result_of_a_row_that_is_gone_is_not_written():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    tx.execute("DELETE FROM outbox")
    late = mark(taken, Delivered())
    assert go(tx, 1, late).fenced == (late,)


def test_the_same_result_twice_is_told_twice_and_changes_nothing():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    result = mark(taken, Delivered(message_id="m"))
    once = go(tx, 5, result)
    twice = go(tx, 9, result)
    assert once.ended == twice.ended
    assert twice.fenced == ()
    assert row(tx, taken.outbox_id).ended_at_ms == 5


def test_the_same_retry_twice_counts_once():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    result = mark(taken, RetryAt(at_ms=50, reason="busy"))
    go(tx, 5, result)
    after = go(tx, 6, result)
    assert (after.ended, after.fenced) == ((), ())
    assert row(tx, taken.outbox_id).failures == 1


def test_what_is_too_old_dies_head_or_not():
    tx = memory_tx()
    head = put(tx, "a", ttl_ms=1_000)
    second = put(tx, "b", ttl_ms=500)
    young = put(tx, "c", ttl_ms=9_000)
    after = go(tx, 1_000)
    assert sorted(ids(after.ended)) == [head, second]
    assert {one.cause for one in after.ended} == {Cause.EXPIRED}
    assert ids(after.rows) == [young]
    assert after.next_at_ms is None


def test_an_expiry_names_the_last_trouble_and_a_doubt():
    tx = memory_tx()
    put(tx, "a", ttl_ms=100)
    [taken] = go(tx).rows
    go(tx, 1, mark(taken, RetryAt(at_ms=99, reason="reset"), may_be_repeat=True), limit=0)
    [ended] = go(tx, 100).ended
    assert ended.reason == (
        "it was too old to be sent; the last trouble was: reset; it may have arrived all the same"
    )


def test_the_next_expiry_wakes_the_sender():
    tx = memory_tx()
    put(tx, "a", ttl_ms=700)
    assert go(tx, limit=0).next_at_ms == 700


def test_more_than_one_step_can_end_is_never_sent():
    tx = memory_tx()
    for number in range(250):
        put(tx, f"k{number}", f"c{number}", ttl_ms=10)
    first = go(tx, 20)
    assert (len(first.ended), first.rows) == (200, ())
    assert first.next_at_ms is not None
    assert first.next_at_ms <= 20
    assert len(go(tx, 20).ended) == 50


def test_a_full_account_is_not_looked_at_again_before_it_has_room():
    tx = memory_tx()
    for number in range(3):
        put(tx, f"k{number}", f"c{number}")
    after = go(tx, limit=2)
    assert len(after.rows) == 2
    assert after.next_at_ms is None or after.next_at_ms >= 3_600_000


def test_a_restart_doubts_what_was_being_sent_and_counts_no_failure():
    tx = memory_tx()
    first, second = put(tx, "a"), put(tx, "b", "two")
    [taken] = go(tx, limit=1).rows
    found = claims.recover(tx, now_ms=50, max_wait_ms=60_000)
    invariants(tx)
    assert (found.unknown, found.accounts) == (1, (KEY,))
    doubted = row(tx, first)
    assert (doubted.state, doubted.may_be_repeat, doubted.failures) == (
        OutboxState.UNKNOWN,
        True,
        0,
    )
    assert doubted.next_at_ms == 50
    assert row(tx, second).state is OutboxState.WAITING
    [attempt] = records.attempts_of(tx, first)
    assert attempt.outcome is AttemptOutcome.UNKNOWN
    # The dead process' result comes too late.
    again = {one.outbox_id: one for one in go(tx, 50).rows}[first]
    assert again.fence > taken.fence


def test_a_lapsed_lease_is_doubted_unless_the_row_is_here():
    tx = memory_tx()
    put(tx, "a")
    [taken] = go(tx).rows
    mine = hold(taken)
    assert go(tx, 5_000, in_flight=mine).rows == ()
    [again] = go(tx, 5_000).rows
    assert again.may_be_repeat


def test_a_step_that_nobody_heard_of_is_let_go_of():
    tx = memory_tx()
    first, second = put(tx, "a"), put(tx, "b", "two")
    [sent] = go(tx, limit=1).rows
    go(tx, limit=1)  # its commit did not report back
    go(tx, 1, limit=0, reads_back=True, in_flight=hold(sent))
    assert row(tx, first).state is OutboxState.SENDING
    free = row(tx, second)
    assert (free.state, free.attempts, free.may_be_repeat) == (OutboxState.WAITING, 0, False)
    assert ids(go(tx, 1, in_flight=hold(sent)).rows) == [second]


def test_a_result_written_unheard_and_its_row_taken_anew_is_no_fault():
    tx = memory_tx()
    put(tx, "a")
    [sent] = go(tx).rows
    result = mark(sent, RetryAt(at_ms=2, reason="busy"))
    go(tx, 2, result)  # its commit did not report back
    after = go(tx, 3, result, reads_back=True, in_flight=hold(sent), limit=0)
    assert (after.fenced, after.ended) == ((), ())
    free = row(tx, sent.outbox_id)
    assert (free.state, free.attempts, free.failures) == (OutboxState.WAITING, 1, 1)
    assert not free.may_be_repeat


def test_a_clock_set_back_holds_up_nothing_that_never_failed():
    tx = memory_tx()
    day_ms = 86_400_000
    first = put(tx, "a", at_ms=day_ms, ttl_ms=1_000)
    assert go(tx, 10).rows == ()
    [taken] = go(tx, 10, turns_back=True).rows
    assert taken.outbox_id == first
    assert (taken.created_at_ms, taken.expires_at_ms) == (10, 1_010)


@pytest.mark.parametrize(("next_at_ms", "after_ms"), [(60_000, 60_000), (60_011, 10)])
def test_a_clock_set_back_leaves_waits_that_somebody_may_have_asked_for(
    next_at_ms: int, after_ms: int
):
    tx = memory_tx()
    first = put(tx, "a")
    tx.execute("UPDATE outbox SET next_at_ms = ?, failures = 1", (next_at_ms,))
    go(tx, 10, limit=0, turns_back=True)
    assert row(tx, first).next_at_ms == after_ms


def test_a_small_step_back_leaves_the_life_of_a_row_alone():
    tx = memory_tx()
    first = put(tx, "a", at_ms=5_000, ttl_ms=1_000)
    go(tx, 1_000, limit=0, turns_back=True)
    assert row(tx, first).expires_at_ms == 6_000


def test_what_hooks_made_of_it_is_kept_only_by_its_holder():
    tx = memory_tx()
    first = put(tx, "a")
    [taken] = go(tx).rows
    assert taken.outgoing is not None
    words = records.encode_outgoing(replace(taken.outgoing, text="changed"))
    assert not claims.save_screened(tx, replace(taken, fence=0), words)
    assert claims.save_screened(tx, taken, words)
    after = row(tx, first)
    assert after.is_screened
    assert after.outgoing is not None
    assert after.outgoing.text == "changed"


def test_a_person_s_retry_goes_before_a_younger_row_that_failed():
    tx = memory_tx()
    old, young = put(tx, "old"), put(tx, "young")
    records.close(
        tx, row(tx, old), state=OutboxState.DEAD, now_ms=1, cause=Cause.REFUSED, reason=""
    )
    [taken] = go(tx, 2).rows
    assert taken.outbox_id == young
    records.retry(tx, row(tx, old), now_ms=3, expires_at_ms=1_000)
    after = go(tx, 4, mark(taken, RetryAt(at_ms=4, reason="busy")))
    assert ids(after.rows) == [old]


@pytest.mark.parametrize(
    ("sql", "params", "index"),
    [
        (claims._TAKE, dict.fromkeys(
            ("channel", "account", "now_ms", "lease_until_ms", "limit"), 1), "outbox_ready"),
        (claims._NEXT_ACCOUNT, ("", ""), "outbox_ready"),
        (claims._NEXT_DUE, ("", ""), "outbox_ready"),
        (claims._NEXT_EXPIRY, (), "outbox_expiry"),
        (claims._EXPIRED, (1, 1), "outbox_expiry"),
        (claims._SENDING, (), "outbox_sending"),
        (claims._LAPSED, (1,), "outbox_sending"),
        (records._FIRST, ("", "", ""), "outbox_open"),
        (records._HEAD, ("", "", ""), "outbox_heads"),
        (records._OPEN, (), "COVERING INDEX outbox_open"),
        (records._WAITING_IN, ("", "", ""), "outbox_open"),
        (records._UNKNOWN, (), "outbox_unknown"),
        (records._UNTOLD, (1,), "outbox_untold"),
        (records._FOLLOWERS, ("g", 1), "outbox_parts"),
        (records._OLD, ("dead", 1, 1), "outbox_ended"),
    ],
)  # fmt: skip
def test_what_runs_often_reads_an_index_and_sorts_nothing(sql: str, params: Any, index: str):
    tx = memory_tx()
    for number in range(200):
        put(tx, f"k{number}", f"c{number % 7}")
    details = [str(one["detail"]) for one in tx.all(f"EXPLAIN QUERY PLAN {sql}", params)]
    assert any(index in detail for detail in details), details
    assert not any("TEMP B-TREE" in detail for detail in details), details
    assert not any(detail.startswith("SCAN") and "INDEX" not in detail for detail in details), (
        details
    )
