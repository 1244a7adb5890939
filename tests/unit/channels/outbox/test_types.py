"""Values of the outbox."""

from __future__ import annotations

from carapace.channels.outbox.records import find
from carapace.channels.outbox.types import AttemptOutcome, Cause, OutboxState
from support.outbox import memory_tx, put


def test_a_row_knows_its_account():
    tx = memory_tx()
    row = find(tx, put(tx, "k", account="second"))
    assert row is not None
    assert row.account_key == ("recording", "second")


def test_the_schema_and_the_enums_say_the_same():
    sql = " ".join(
        row["sql"] for row in memory_tx().all("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
    )
    assert f"CHECK (state IN ({', '.join(repr(str(one)) for one in OutboxState)}))" in sql
    assert f"CHECK (outcome IN ({', '.join(repr(str(one)) for one in AttemptOutcome)}))" in sql
    assert len(set(Cause)) == 7
