"""The one timer: every slot once, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from carapace.config.settings.cron import CronSettings
from support.jobs import START, TURN, JobHouse, job_house, make_jobs, until
from support.scripted_provider import say

NOW_MS = round(START.timestamp() * 1000)
MINUTE_MS = 60_000
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


async def test_each_slot_runs_once():
    async with job_house() as jobs:
        job = await jobs.add()
        await jobs.pass_time(200)
        assert await jobs.slots(job) == [NOW_MS + n * MINUTE_MS for n in (1, 2, 3)]
        state = (await jobs.now(job)).state
        assert (state.last_status, state.last_run_at_ms) == ("ok", NOW_MS + 3 * MINUTE_MS)
        assert state.next_run_at_ms == NOW_MS + 4 * MINUTE_MS
        assert len(await jobs.cron.runs(job.job_id, 10)) == 3


async def test_a_moment_that_is_past_runs_at_once_and_once():
    async with job_house() as jobs:
        job = await jobs.add(schedule={"kind": "at", "at": "2026-01-01"})
        await jobs.settle()
        after = await jobs.now(job)
        assert (after.enabled, after.state.next_run_at_ms) == (False, None)
        # Switched on again it stays done; with another moment it is not.
        again = await jobs.patch(job, enabled=True)
        assert again.state.next_run_at_ms is None
        moved = await jobs.patch(job, enabled=True, schedule={"atMs": NOW_MS + MINUTE_MS})
        assert moved.state.next_run_at_ms == NOW_MS + MINUTE_MS
        await jobs.pass_time(90)
        assert len(await jobs.slots(job)) == 2


async def test_a_clock_that_jumps_forward_brings_one_run():
    async with job_house() as jobs:
        job = await jobs.add()
        await jobs.pass_time(90)
        jobs.clock.jump(timedelta(hours=5))
        await jobs.pass_time(60)
        slots = await jobs.slots(job)
        # One in the first minute, one for five hours, and one since.
        assert slots[:2] == [NOW_MS + MINUTE_MS, NOW_MS + 2 * MINUTE_MS]
        assert [slot >= NOW_MS + 5 * 3_600_000 for slot in slots[2:]] in ([], [True])


async def test_missed_slots_can_be_skipped():
    async with job_house(settings=CronSettings(catch_up="skip")) as jobs:
        job = await jobs.add()
        turn = await jobs.add(payload=TURN, schedule={"everyMs": 3_600_000})
        jobs.clock.jump(timedelta(hours=5, seconds=30))
        await jobs.pass_time(100)
        [missed] = await jobs.cron.runs(turn.job_id, 5)
        assert missed.status == "skipped"
        assert "missed" in (missed.error or "")
        first, *others = await jobs.cron.runs(job.job_id, 5)
        assert first.status == "skipped"
        assert {run.status for run in others} == {"ok"}
        assert (await jobs.now(turn)).state.consecutive_errors == 0


async def test_a_clock_that_goes_back_repeats_nothing():
    async with job_house() as jobs:
        job = await jobs.add()
        await jobs.pass_time(200)
        before = await jobs.slots(job)
        jobs.clock.jump(-timedelta(seconds=150))
        await jobs.pass_time(120)
        assert await jobs.slots(job) == before
        await jobs.pass_time(120)
        assert await jobs.slots(job) == [*before, NOW_MS + 4 * MINUTE_MS]


async def test_a_clock_that_was_years_ahead_is_forgotten():
    async with job_house() as jobs:
        jobs.clock.jump(timedelta(days=3_000))
        job = await jobs.add(schedule={"kind": "cron", "expr": "0 12 * * *"})
        once = await jobs.add(schedule={"kind": "at", "at": "2050-01-01"})
        await jobs.pass_time(86_400, step_s=43_200)
        assert len(await jobs.slots(job)) == 1
        jobs.clock.jump(-timedelta(days=3_000))
        await jobs.pass_time(60)
        due_ms = (await jobs.now(job)).state.next_run_at_ms
        assert due_ms == round(datetime(2026, 3, 3, 12, tzinfo=UTC).timestamp() * 1000)
        assert (await jobs.now(once)).state.next_run_at_ms == once.state.next_run_at_ms


async def test_slots_that_the_ledger_knows_are_left_out_when_planning_anew():
    async with job_house() as jobs:
        job = await jobs.add(schedule={"kind": "cron", "expr": "0 13 * * *"})
        await jobs.pass_time(4_000, step_s=2_000)
        [ran] = await jobs.slots(job)
        jobs.clock.jump(timedelta(days=30))
        await jobs.pass_time(60)
        jobs.clock.jump(-timedelta(days=30, hours=2))
        await jobs.pass_time(60)
        assert (await jobs.now(job)).state.next_run_at_ms == ran + 2 * 86_400_000


async def test_turns_wait_for_a_place_and_texts_do_not():
    async with job_house(say("done"), settings=CronSettings(max_concurrent_runs=1)) as jobs:
        for _ in range(3):
            await jobs.add(payload=TURN, schedule={"atMs": NOW_MS + MINUTE_MS})
        text = await jobs.add(schedule={"atMs": NOW_MS + MINUTE_MS})
        await jobs.clock.advance(61)
        await until(lambda: _ended(jobs) == 4)
        assert (await jobs.now(text)).state.last_status == "ok"
        started = [one for one in jobs.told() if one["action"] in ("started", "finished")]
        turns = [one["action"] for one in started if one["jobId"] != text.job_id]
        assert turns == ["started", "finished"] * 3


def _ended(jobs: JobHouse) -> int:
    return sum(1 for one in jobs.told() if one["action"] == "finished")


async def test_a_disk_that_takes_nothing_is_waited_for():
    async with job_house() as jobs:
        job = await jobs.add()
        await jobs.house.database.write(
            lambda tx: tx.execute("ALTER TABLE system_events RENAME TO away")
        )
        with pytest.raises(Exception, match="system_events"):
            await jobs.cron.run_job(job.job_id, is_forced=True)
        await jobs.house.database.write(
            lambda tx: tx.execute("ALTER TABLE away RENAME TO system_events")
        )
        await jobs.pass_time(90)
        assert len(await jobs.slots(job)) == 1


@pytest.mark.slow
async def test_ten_thousand_jobs_run_once_each_on_the_day_the_clocks_change():
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    async with job_house(start=start) as jobs:
        await jobs.add_many(
            {"kind": "cron", "expr": f"{n % 60} {n % 24} * * *", "tz": ZONES[n % 3]}
            for n in range(10_000)
        )
        await jobs.pass_time(86_400, step_s=43_200)
        assert await runs_of_jobs(jobs) == (10_000, 10_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", "2026-03-29"),
        ("Europe/Berlin", "2026-10-25"),
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("Australia/Lord_Howe", "2026-04-05"),
        ("Australia/Lord_Howe", "2026-10-04"),
    ],
)
async def test_a_time_of_day_that_is_skipped_or_repeated_runs_once(zone: str, day: str):
    """From noon before the change to noon after it, each minute of the night once."""
    start = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    start = (start - timedelta(days=1)).astimezone(UTC)
    async with job_house(start=start) as jobs:
        await jobs.add_many(
            {"kind": "cron", "expr": f"{n % 60} {n // 60} * * *", "tz": zone} for n in range(240)
        )
        await jobs.pass_time(86_400, step_s=1_800)
        assert await runs_of_jobs(jobs) == (240, 240)


async def runs_of_jobs(jobs: JobHouse) -> tuple[int, int]:
    """How many runs the ledger has, and of how many jobs."""
    [row] = await jobs.house.database.read(
        lambda tx: tx.all("SELECT count(*) AS runs, count(DISTINCT job_id) AS jobs FROM cron_runs")
    )
    return row["runs"], row["jobs"]


async def test_two_starts_after_each_other_double_nothing():
    async with job_house() as jobs:
        job = await jobs.add()
        await jobs.pass_time(90)
        jobs.cron.timer.stop()
        again = make_jobs(jobs.house, jobs.clock)
        await jobs.clock.advance(600)
        assert (await again.now(job)).state.next_run_at_ms == NOW_MS + 2 * MINUTE_MS
        assert len(await jobs.slots(job)) == 1


async def test_what_breaks_a_step_does_not_end_the_timer():
    async with job_house() as jobs:
        job = await jobs.add()
        await jobs.house.database.write(
            lambda tx: tx.execute("ALTER TABLE system_events RENAME TO away")
        )
        for _ in range(4):
            await jobs.clock.advance(20)
            await until(lambda: jobs.clock.sleepers > 0)
        await jobs.house.database.write(
            lambda tx: tx.execute("ALTER TABLE away RENAME TO system_events")
        )
        await jobs.pass_time(60, step_s=5)
        assert (await jobs.now(job)).state.last_status == "ok"
