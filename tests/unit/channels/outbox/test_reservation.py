"""A row that is taken by the transaction that inserts it."""

from __future__ import annotations

from carapace.channels.outbox.reservation import Ended, Reservation
from carapace.channels.outbox.types import OutboxState
from support.outbox import invariants, memory_tx, put

KEY = ("recording", "default")


def place(heard: list[Ended]) -> Reservation:
    return Reservation(key=KEY, lease_ms=60_000, on_end=lambda _, ended: heard.append(ended))


def test_a_new_head_is_taken_as_by_a_step():
    tx = memory_tx()
    row = place([]).take(tx, put(tx, "a", at_ms=1_000), now_ms=1_000)
    assert row is not None
    assert (row.state, row.fence, row.attempts) == (OutboxState.SENDING, 1, 1)
    assert row.taken_at_ms == 1_000
    [found] = tx.all("SELECT lease_until_ms FROM outbox")
    assert found["lease_until_ms"] == 61_000
    invariants(tx)


def test_what_stands_behind_another_message_is_not_taken():
    tx = memory_tx()
    put(tx, "a")
    assert place([]).take(tx, put(tx, "b"), now_ms=0) is None
    assert [row["state"] for row in tx.all("SELECT state FROM outbox")] == ["waiting"] * 2


def test_a_row_is_taken_once():
    tx = memory_tx()
    made = put(tx, "a")
    assert place([]).take(tx, made, now_ms=0) is not None
    assert place([]).take(tx, made, now_ms=0) is None


def test_what_is_too_old_already_is_not_taken():
    tx = memory_tx()
    assert place([]).take(tx, put(tx, "a", ttl_ms=5), now_ms=5) is None


def test_its_end_is_told():
    tx = memory_tx()
    heard: list[Ended] = []
    row = place(heard).take(tx, put(tx, "a"), now_ms=0)
    place(heard).written(row)
    place(heard).written(None)
    place(heard).failed(is_doubtful=True)
    assert heard == [Ended(row=row), Ended(), Ended(is_doubtful=True)]
