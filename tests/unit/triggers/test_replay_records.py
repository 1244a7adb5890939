"""A row is claimed once, unless its handling was cut short or it is too old."""

from __future__ import annotations

from carapace.store.ports import Tx
from carapace.triggers import replay_records as records
from carapace.triggers.replay_records import Seen
from support.database import memory_database


def seen(number: int = 1, *, at_ms: int = 1_000, account: str = "a", ttl_ms: int = 100) -> Seen:
    return Seen(
        digest=number.to_bytes(32, "big"),
        owner="test",
        account=account,
        seen_at_ms=at_ms,
        expires_at_ms=at_ms + ttl_ms,
    )


def count(tx: Tx) -> int:
    row = tx.one("SELECT count(*) FROM webhook_replay")
    assert row is not None
    return row[0]


async def test_a_row_is_claimed_settled_and_found():
    one = seen()

    def work(tx: Tx) -> list[bool]:
        found = [records.claim(tx, one), records.is_handled(tx, one.digest, 1_000)]
        found.append(records.claim(tx, one))
        records.settle(tx, one.digest, 202)
        found += [records.claim(tx, one), records.is_handled(tx, one.digest, 1_000)]
        records.forget(tx, one.digest)
        return [*found, records.is_handled(tx, one.digest, 1_099)]

    async with memory_database() as database:
        assert await database.write(work) == [True, False, True, False, True, True]


async def test_a_row_that_is_too_old_does_not_count():
    one, again = seen(), seen(at_ms=1_100)

    def work(tx: Tx) -> list[bool]:
        records.claim(tx, one)
        records.settle(tx, one.digest, 200)
        return [records.is_handled(tx, one.digest, 1_100), records.claim(tx, again)]

    async with memory_database() as database:
        assert await database.write(work) == [False, True]


async def test_what_was_not_handled_is_forgotten():
    def work(tx: Tx) -> int:
        records.claim(tx, seen())
        records.forget(tx, seen().digest)
        return count(tx)

    async with memory_database() as database:
        assert await database.write(work) == 0


async def test_an_account_pushes_out_only_its_own_oldest():
    def work(tx: Tx) -> tuple[int, int, int, bool]:
        records.claim(tx, seen(1_000, account="b", ttl_ms=9_000))
        for number in range(10):
            records.claim(tx, seen(number, at_ms=1_000 + number, ttl_ms=9_000))
        kept = records.prune(tx, "test", "a", max_rows=100, now_ms=1_050)
        over = records.prune(tx, "test", "a", max_rows=4, now_ms=1_050)
        left = count(tx)
        records.settle(tx, seen(9).digest, 200)
        return kept, over, left, records.is_handled(tx, seen(9).digest, 1_050)

    async with memory_database() as database:
        assert await database.write(work) == (0, 6, 5, True)


async def test_what_is_too_old_goes():
    def work(tx: Tx) -> tuple[int, int]:
        records.claim(tx, seen(1))
        records.claim(tx, seen(2, at_ms=1_050, account="b"))
        return records.prune(tx, "test", "a", max_rows=9, now_ms=1_100), count(tx)

    async with memory_database() as database:
        assert await database.write(work) == (1, 1)
