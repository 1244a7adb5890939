"""The ledger: a slot is claimed once, its run ends once, and only so much is kept."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.protocol.cron import CronJobState, EverySchedule, SystemEvent
from carapace.provenance import OWNER
from carapace.store.ports import Database
from carapace.triggers.cron import records
from carapace.triggers.cron.types import CronSpec, Job, RunEnd
from support.database import memory_database

OK = RunEnd(status="ok", summary="s")
SPEC = CronSpec(
    name="j",
    schedule=EverySchedule(1_000),
    session_target="main",
    wake_mode="now",
    payload=SystemEvent("x"),
)


def job(job_id: str = "j", due_ms: int | None = 1_000) -> Job:
    return Job(
        job_id=job_id,
        spec=SPEC,
        provenance=OWNER,
        enabled=due_ms is not None,
        created_at_ms=0,
        updated_at_ms=0,
        revision=0,
        state=CronJobState(next_run_at_ms=due_ms),
    )


async def put(database: Database, *jobs: Job) -> None:
    await database.write(lambda tx: [records.insert(tx, one) for one in jobs])


async def test_a_job_is_read_as_it_was_written():
    async with memory_database() as database:
        await put(database, job())
        assert await database.read(lambda tx: records.find(tx, "j")) == job()
        assert await database.read(lambda tx: records.find(tx, "k")) is None
        assert await database.read(records.count) == (1, 1_000)


async def test_a_slot_is_claimed_once():
    async with memory_database() as database:
        await put(database, job())

        def claim(tx: records.Tx) -> records.JobRun | None:
            return records.claim(tx, job(), next_at_ms=2_000, now_ms=1_500)

        run = await database.write(claim)
        assert run is not None
        assert (run.slot_ms, run.started_at_ms) == (1_000, 1_500)
        assert await database.write(claim) is None
        found = await database.read(lambda tx: records.find(tx, "j"))
        assert found is not None
        assert (found.state.next_run_at_ms, found.state.running_at_ms) == (2_000, 1_500)
        # Running, it is not due, whatever the time.
        assert (
            await database.read(
                lambda tx: records.due(tx, needs_turn=False, now_ms=9_000, max_rows=5)
            )
            == []
        )


async def test_a_slot_that_comes_again_is_let_go():
    async with memory_database() as database:
        await put(database, job())

        def claim_and_end(tx: records.Tx) -> None:
            run = records.claim(tx, job(), next_at_ms=1_000, now_ms=1_000)
            assert run is not None
            assert records.finish(tx, run, OK, job(), now_ms=1_100)
            assert not records.finish(tx, run, OK, job(), now_ms=1_200)

        await database.write(claim_and_end)
        assert await database.read(lambda tx: records.is_taken(tx, "j", 1_000))
        again = await database.write(
            lambda tx: records.claim(tx, job(), next_at_ms=2_000, now_ms=1_000)
        )
        assert again is None
        found = await database.read(lambda tx: records.find(tx, "j"))
        assert found is not None
        assert (found.state.next_run_at_ms, found.state.running_at_ms) == (2_000, None)


async def test_a_job_without_a_slot_has_none_to_claim():
    async with memory_database() as database:
        await put(database, job(due_ms=None))
        claimed = await database.write(
            lambda tx: records.claim(tx, job(due_ms=None), next_at_ms=5, now_ms=5)
        )
        assert claimed is None


async def test_a_change_makes_older_looks_worthless():
    async with memory_database() as database:
        await put(database, job())
        renamed = replace(job(), enabled=False).with_next(None)
        assert await database.write(lambda tx: records.replace_job(tx, renamed, now_ms=7))
        assert not await database.write(lambda tx: records.replace_job(tx, renamed, now_ms=8))
        stale = await database.write(
            lambda tx: records.claim(tx, job(), next_at_ms=2_000, now_ms=1_500)
        )
        assert stale is None
        assert not await database.write(lambda tx: records.set_next(tx, job(), 3_000))


async def test_forced_runs_in_the_same_moment_have_places_of_their_own():
    async with memory_database() as database:
        await put(database, job())

        def twice(tx: records.Tx) -> list[int]:
            slots: list[int] = []
            for _ in range(2):
                run = records.force(tx, "j", now_ms=5)
                assert run is not None
                assert records.force(tx, "j", now_ms=5) is None
                slots.append(run.slot_ms)
                assert records.finish(tx, run, OK, job(), now_ms=6)
            return slots

        assert await database.write(twice) == [5, 6]
        assert await database.write(lambda tx: records.force(tx, "nobody", now_ms=5)) is None


async def test_only_so_many_runs_are_kept():
    async with memory_database() as database:
        await put(database, job())

        def many(tx: records.Tx) -> None:
            for number in range(records.KEEP_RUNS + 20):
                run = records.force(tx, "j", now_ms=number)
                assert run is not None
                assert records.finish(tx, run, OK, job(), now_ms=number + 1)

        await database.write(many)
        entries = await database.read(lambda tx: records.ended_runs(tx, "j", limit=5_000))
        assert len(entries) == records.KEEP_RUNS
        assert entries[0].run_at_ms == 20
        assert await database.read(records.latest_start_ms) == records.KEEP_RUNS + 19


async def test_the_next_due_is_told_for_texts_and_turns():
    async with memory_database() as database:
        await put(database, job("a", 3_000), job("b", 2_000))
        assert await database.read(lambda tx: records.next_due_ms(tx, needs_turn=False)) == 2_000
        assert await database.read(lambda tx: records.next_due_ms(tx, needs_turn=True)) is None
        later = await database.read(
            lambda tx: records.waiting(tx, now_ms=2_500, after_id="", max_rows=5)
        )
        assert [one.job_id for one in later] == ["a"]
        assert await database.write(lambda tx: records.set_next(tx, later[0], 2_600))
