"""What a hook asked is kept whole, and only as long as it is owed."""

from __future__ import annotations

from carapace.agent.providers.ports import ThinkingLevel
from carapace.channels.types import ReplyRoute, Target
from carapace.protocol.sessions import SessionOrigin
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions.types import Route
from carapace.store.ports import Tx
from carapace.triggers import owed_records as records
from carapace.triggers.owed_records import OwedRun
from support.agent_house import ask
from support.database import memory_database

ASKED = ask(
    "hello",
    "r1",
    thinking=ThinkingLevel.LOW,
    timeout_s=30.0,
    extra_system_prompt="from a hook",
    lane="hook",
    provenance=Provenance(origin=Origin.HOOK, authority=Authority.OUTSIDE),
    route=Route(origin=SessionOrigin(label="Mail", provider="hook"), display_name="Mail"),
    reply_route=ReplyRoute(target=Target(channel="webhook", account="a", conversation="c")),
)


def _end(tx: Tx, run_id: str, state: str) -> None:
    tx.execute(
        "INSERT INTO turns (run_id, session_key, shown_key, session_id, agent_id, lane, source,"
        " state, accepted_at_ms, ended_at_ms) VALUES (?, 'k', 'k', 's', 'main', 'hook',"
        " 'outside', ?, 1, ?)",
        (run_id, state, None if state == "accepted" else 2),
    )


async def test_what_was_asked_comes_back_whole():
    def work(tx: Tx) -> list[OwedRun]:
        records.keep(tx, ASKED, kept_at_ms=5)
        records.keep(tx, ask("other", "r1"), kept_at_ms=6)
        return records.owed(tx)

    async with memory_database() as database:
        assert await database.write(work) == [OwedRun(ASKED, 1, 5)]


async def test_what_was_cut_is_owed_and_what_ended_or_runs_is_not():
    def work(tx: Tx) -> tuple[list[str], int, int]:
        tx.execute("PRAGMA defer_foreign_keys = ON")
        for number, state in enumerate(("cut", "done", "error", "aborted", "accepted", "")):
            run_id = f"r-{state}"
            records.keep(tx, ask("x", run_id), kept_at_ms=number)
            if state:
                _end(tx, run_id, state)
        owed = [str(run.submission.run_id) for run in records.owed(tx)]
        ended = records.forget_ended(tx, before_ms=0)
        old = records.forget_ended(tx, before_ms=5)
        tx.execute("DELETE FROM turns")
        return owed, ended, old

    async with memory_database() as database:
        assert await database.write(work) == (["r-cut", "r-"], 3, 2)


async def test_a_run_that_begins_again_keeps_its_age():
    def work(tx: Tx) -> list[OwedRun]:
        records.keep(tx, ASKED, kept_at_ms=5)
        [run] = records.owed(tx)
        records.again(tx, run, ask("hello", "r2"))
        return records.owed(tx)

    async with memory_database() as database:
        assert await database.write(work) == [OwedRun(ask("hello", "r2"), 2, 5)]


async def test_what_is_forgotten_is_gone():
    def work(tx: Tx) -> list[OwedRun]:
        records.keep(tx, ASKED, kept_at_ms=5)
        records.forget(tx, ASKED.run_id)
        return records.owed(tx)

    async with memory_database() as database:
        assert await database.write(work) == []
