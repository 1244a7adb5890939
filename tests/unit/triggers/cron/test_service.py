"""What clients ask of jobs, and what they are told."""

from __future__ import annotations

import pytest

from carapace.config.settings.cron import CronSettings
from carapace.errors import Failed, Refused
from carapace.triggers.cron import service
from support.jobs import START, TEXT, TURN, job_house, until
from support.scripted_provider import say

NOW_MS = round(START.timestamp() * 1000)


async def test_a_job_is_told_with_its_first_slot_and_listed():
    async with job_house() as jobs:
        job = await jobs.add(name=" golden ", schedule={"kind": "every", "everyMs": 3_600_000})
        assert job.spec.name == "golden"
        assert (job.spec.session_target, job.spec.wake_mode) == ("main", "next-heartbeat")
        assert job.state.next_run_at_ms == NOW_MS + 3_600_000
        assert jobs.told() == [
            {"jobId": job.job_id, "action": "added", "nextRunAtMs": NOW_MS + 3_600_000}
        ]
        [listed] = await jobs.cron.jobs(with_disabled=False)
        assert listed == job
        status = await jobs.cron.status()
        assert (status.jobs, status.next_wake_at_ms) == (1, NOW_MS + 3_600_000)
        assert status.store_path == "carapace.db"


async def test_jobs_are_listed_by_their_next_run_and_without_those_switched_off():
    async with job_house() as jobs:
        late = await jobs.add(schedule={"everyMs": 7_200_000})
        soon = await jobs.add(schedule={"everyMs": 3_600_000})
        off = await jobs.add(enabled=False)
        assert [one.job_id for one in await jobs.cron.jobs(with_disabled=False)] == [
            soon.job_id,
            late.job_id,
        ]
        assert off.state.next_run_at_ms is None
        assert len(await jobs.cron.jobs(with_disabled=True)) == 3


async def test_a_patch_changes_what_it_names_and_the_next_slot():
    async with job_house() as jobs:
        job = await jobs.add()
        await jobs.clock.advance(5)
        off = await jobs.patch(job, name="renamed", enabled=False)
        assert (off.spec.name, off.enabled, off.state.next_run_at_ms) == ("renamed", False, None)
        assert off.spec.payload == job.spec.payload
        assert off.updated_at_ms == NOW_MS + 5_000
        assert jobs.told()[-1] == {"jobId": job.job_id, "action": "updated"}
        on = await jobs.patch(job, enabled=True, schedule={"kind": "every", "everyMs": 120_000})
        assert on.state.next_run_at_ms == NOW_MS + 120_000


async def test_an_unknown_job_is_named():
    async with job_house() as jobs:
        gone = await jobs.add()
        assert await jobs.cron.remove(gone.job_id)
        assert not await jobs.cron.remove(gone.job_id)
        with pytest.raises(Failed, match=f"Error: unknown cron job id: {gone.job_id}"):
            await jobs.patch(gone, enabled=True)
        with pytest.raises(Failed, match="unknown cron job id: nope"):
            await jobs.cron.run_job("nope", is_forced=True)


async def test_an_agent_that_is_not_there_gets_no_job():
    async with job_house() as jobs:
        with pytest.raises(Refused, match=r'cron.add params: unknown agent id "nobody"'):
            await jobs.add(agentId="nobody")
        job = await jobs.add(agentId="MAIN")
        assert job.spec.agent_id == "main"
        with pytest.raises(Refused, match=r"cron.update params: unknown agent"):
            await jobs.patch(job, agentId="nobody")
        assert (await jobs.patch(job, agentId=None)).spec.agent_id is None


async def test_a_job_that_is_not_due_runs_only_by_force():
    async with job_house() as jobs:
        job = await jobs.add(wakeMode="now")
        ran = await jobs.cron.run_job(job.job_id, is_forced=False)
        assert (ran.is_run, ran.reason) == (False, "not-due")
        assert (await jobs.cron.run_job(job.job_id, is_forced=True)).is_run
        started, finished = jobs.told()[1:]
        assert started == {"jobId": job.job_id, "action": "started", "runAtMs": NOW_MS}
        assert finished["status"] == "ok"
        assert finished["summary"] == "tick"
        assert finished["nextRunAtMs"] == NOW_MS + 60_000
        assert await jobs.said() == ["tick"]
        assert jobs.woken == [("main", f"cron:{job.job_id}")]
        [entry] = await jobs.cron.runs(job.job_id, 5)
        assert (entry.status, entry.summary, entry.run_at_ms) == ("ok", "tick", NOW_MS)
        # No slot of the schedule was taken.
        assert await jobs.slots(job) == []


async def test_a_job_that_is_due_and_held_up_runs_on_request():
    async with job_house() as jobs:
        jobs.cron.timer.stop()
        job = await jobs.add(schedule={"kind": "at", "atMs": NOW_MS}, deleteAfterRun=True)
        assert (await jobs.cron.run_job(job.job_id, is_forced=False)).is_run
        assert await jobs.cron.get(job.job_id) is None
        assert [one["action"] for one in jobs.told()][-2:] == ["finished", "removed"]


async def test_a_turn_by_force_is_waited_for():
    async with job_house(say("the answer")) as jobs:
        job = await jobs.add(payload=TURN)
        assert (await jobs.cron.run_job(job.job_id, is_forced=True)).is_run
        [entry] = await jobs.cron.runs(job.job_id, 5)
        assert (entry.status, entry.summary) == ("ok", "the answer")
        assert await jobs.said() == ["Cron: the answer"]


async def test_a_job_that_runs_is_not_begun_again():
    async with job_house(say("one")) as jobs:
        job = await jobs.add(payload=TURN)
        await jobs.house.database.write(
            lambda tx: tx.execute("UPDATE cron_jobs SET running_at_ms = 1")
        )
        ran = await jobs.cron.run_job(job.job_id, is_forced=True)
        assert (ran.is_run, ran.reason) == (False, "already-running")
        text = await jobs.add(payload=TEXT)
        await jobs.house.database.write(
            lambda tx: tx.execute("UPDATE cron_jobs SET running_at_ms = 1")
        )
        ran = await jobs.cron.run_job(text.job_id, is_forced=True)
        assert (ran.is_run, ran.reason) == (False, "already-running")


async def test_switched_off_nothing_starts_by_itself():
    async with job_house(settings=CronSettings(enabled=False)) as jobs:
        job = await jobs.add()
        await jobs.pass_time(180)
        assert await jobs.said() == []
        assert (await jobs.cron.status()).next_wake_at_ms is None
        assert (await jobs.cron.run_job(job.job_id, is_forced=True)).is_run
        jobs.cron.timer.apply(CronSettings())
        await until(lambda: len(jobs.told()) >= 5)
        assert await jobs.slots(job) == [NOW_MS + 60_000]


async def test_there_are_only_so_many_jobs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "MAX_JOBS", 1)
    async with job_house() as jobs:
        await jobs.add()
        with pytest.raises(Refused, match="There are 1 jobs already"):
            await jobs.add()


async def test_a_change_that_always_comes_too_late_is_given_up(monkeypatch: pytest.MonkeyPatch):
    def late(*_args: object, **_more: object) -> bool:
        return False

    async with job_house() as jobs:
        job = await jobs.add()
        monkeypatch.setattr(service.records, "replace_job", late)
        with pytest.raises(Failed, match="changed by somebody else"):
            await jobs.patch(job, name="x")


async def test_a_turn_that_is_due_and_held_up_runs_on_request():
    async with job_house(say("done")) as jobs:
        jobs.cron.timer.stop()
        job = await jobs.add(schedule={"kind": "at", "atMs": NOW_MS}, payload=TURN)
        assert (await jobs.cron.run_job(job.job_id, is_forced=False)).is_run
        assert await jobs.slots(job) == [NOW_MS]
