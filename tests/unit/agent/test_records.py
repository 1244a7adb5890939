"""SQL of the turns, on a real database."""

from __future__ import annotations

from carapace.agent import records
from carapace.agent.types import RunOutcome, RunState
from carapace.channels.inbox import records as inbox_records
from carapace.channels.inbox.records import NewRow
from carapace.ids import RunId, SessionKey
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.store.ports import Tx
from support.agent_house import ask
from support.database import memory_database
from support.inbound_house import message

DONE = RunOutcome(state=RunState.DONE, status="ok", summary="completed", ended_at_ms=5)


async def test_a_turn_is_owed_until_it_is_finished_once():
    async with memory_database() as database:
        await database.write(lambda tx: records.accept(tx, ask("x"), session_id="s", now_ms=1))
        row = await database.read(lambda tx: records.find(tx, RunId("r1")))
        assert row is not None
        assert (row.outcome, row.session_id, row.agent_id) == (None, "s", "main")
        assert await database.write(lambda tx: records.finish(tx, RunId("r1"), DONE))
        assert not await database.write(lambda tx: records.finish(tx, RunId("r1"), DONE))
        row = await database.read(lambda tx: records.find(tx, RunId("r1")))
        assert row is not None
        assert row.outcome == DONE
        assert await database.read(lambda tx: records.find(tx, RunId("none"))) is None


async def test_what_is_owed_is_cut_and_old_rows_are_forgotten():
    async with memory_database() as database:
        await database.write(lambda tx: records.accept(tx, ask("x"), session_id="s", now_ms=1))
        keys = await database.write(lambda tx: records.cut_owed(tx, error="why", now_ms=10))
        assert keys == ("agent:main:main",)
        cut = await database.read(lambda tx: records.cut_since(tx, 10))
        assert [(one.run_id, one.error) for one in cut] == [("r1", "why")]
        assert await database.read(lambda tx: records.cut_since(tx, 11)) == ()
        assert await database.write(lambda tx: records.prune(tx, 11)) == 1


async def test_of_too_many_cut_turns_the_newest_are_told_oldest_first(monkeypatch):
    monkeypatch.setattr(records, "_MAX_CUT", 2)
    async with memory_database() as database:
        for n in (1, 2, 3):
            asked = ask("x", run_id=f"r{n}")
            await database.write(
                lambda tx, a=asked: records.accept(tx, a, session_id="s", now_ms=1)
            )
            at_ms = n * 10
            await database.write(lambda tx, t=at_ms: records.cut_owed(tx, error="why", now_ms=t))
        cut = await database.read(lambda tx: records.cut_since(tx, 0))
        assert [one.run_id for one in cut] == ["r2", "r3"]


async def test_a_turn_of_the_inbox_is_not_cut_while_its_row_waits():
    async with memory_database() as database:
        await database.write(lambda tx: records.accept(tx, ask("x"), session_id="s", now_ms=1))
        await database.write(_row_of_r1)
        assert await database.write(lambda tx: records.cut_owed(tx, error="why", now_ms=10)) == ()
        await database.write(lambda tx: inbox_records.ack(tx, (1,), reason="x", now_ms=5))
        keys = await database.write(lambda tx: records.cut_owed(tx, error="why", now_ms=10))
        assert keys == ("agent:main:main",)


def _row_of_r1(tx: Tx) -> None:
    new = NewRow(
        message=message(),
        provenance=OWNER,
        lane="a",
        session_key=SessionKey("agent:main:main"),
        received_at_ms=1,
        due_at_ms=1,
    )
    inbox_records.insert(tx, new)
    inbox_records.start(tx, (1,), run_id="r1")


async def test_a_turn_keeps_whose_words_it_follows_and_old_ones_were_the_owners():
    words = Provenance(origin=Origin.CHANNEL, authority=Authority.GUEST, sender_id="u1")
    async with memory_database() as database:
        for run_id in ("r1", "r2"):
            asked = ask("x", run_id, provenance=words)
            await database.write(
                lambda tx, a=asked: records.accept(tx, a, session_id="s", now_ms=1)
            )
        await database.write(
            lambda tx: tx.execute("UPDATE turns SET provenance = NULL WHERE run_id = 'r2'")
        )
        found = [
            await database.read(lambda tx, r=one: records.find(tx, RunId(r)))
            for one in ("r1", "r2")
        ]
        assert [row.provenance if row else None for row in found] == [words, OWNER]
