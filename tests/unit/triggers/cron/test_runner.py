"""Runs from claim to end: what a restart finds is begun again, ended or given up, once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from carapace.agent.types import StopReason
from carapace.triggers.cron import records
from carapace.triggers.cron.turns import CUT_ERROR
from support.jobs import START, TURN, JobHouse, job_house, make_jobs, until
from support.scripted_provider import Hang, say

NOW_MS = round(START.timestamp() * 1000)
SOON = {"kind": "at", "atMs": NOW_MS}


def actions(jobs: JobHouse) -> list[str]:
    return [one["action"] for one in jobs.told()]


async def claimed(jobs: JobHouse, **more: Any) -> records.JobRun:
    """A turn whose slot is claimed, by a process that died right after."""
    jobs.cron.timer.stop()
    job = await jobs.add(payload=TURN, schedule=SOON, **more)
    run = await jobs.house.database.write(
        lambda tx: records.claim(tx, job, next_at_ms=None, now_ms=NOW_MS)
    )
    assert run is not None
    return run


async def restarted(jobs: JobHouse, run: records.JobRun) -> tuple[JobHouse, Any]:
    """Another scheduler on the same house, until the run has ended."""
    again = make_jobs(jobs.house, jobs.clock)
    runner = again.cron.timer.runner
    await runner.read_back()
    runner.begin_owed(8)
    await until(lambda: runner.busy == 0)
    entries = await again.cron.runs(run.job_id, 10)
    await again.cron.timer.close()
    return again, entries


async def test_a_run_that_was_claimed_and_never_begun_begins():
    async with job_house(say("done")) as jobs:
        run = await claimed(jobs)
        _, [entry] = await restarted(jobs, run)
        assert (entry.status, entry.summary) == ("ok", "done")
        assert len(jobs.house.provider.requests) == 1


async def test_a_run_that_the_agent_ended_is_ended_and_not_done_again():
    async with job_house(say("done")) as jobs:
        run = await claimed(jobs)
        job = await jobs.cron.get(run.job_id)
        assert job is not None
        await jobs.cron.timer.runner._parts.turns.run(job, run, jobs.house.profiles.default_id)
        _, [entry] = await restarted(jobs, run)
        assert entry.status == "ok"
        assert len(jobs.house.provider.requests) == 1
        assert await jobs.said() == ["Cron: done"]


async def cut(jobs: JobHouse, run: records.JobRun) -> None:
    """The agent's run of this start is cut, as by a stop of the gateway."""
    job = await jobs.cron.get(run.job_id)
    assert job is not None
    turns = jobs.cron.timer.runner._parts.turns
    async with asyncio.TaskGroup() as group:
        task = group.create_task(turns.run(job, run, jobs.house.profiles.default_id))
        await jobs.house.provider.hanging.wait()
        [live] = list(jobs.house.agent._book.live())
        assert jobs.house.agent._stop(live, StopReason.SHUTDOWN)
    assert task.result() is None


async def test_a_run_that_was_cut_begins_again_under_another_id():
    async with job_house((Hang(),), say("second")) as jobs:
        run = await claimed(jobs)
        await cut(jobs, run)
        again, [entry] = await restarted(jobs, run)
        assert (entry.status, entry.summary) == ("ok", "second")
        row = await jobs.house.database.read(
            lambda tx: tx.one("SELECT starts, run_id FROM cron_runs")
        )
        assert row is not None
        assert row["starts"] == 2
        assert row["run_id"] != run.run_id
        # It was said to have started by the process that claimed it.
        assert actions(again).count("finished") == 1


async def test_a_run_that_was_cut_too_long_ago_is_given_up():
    async with job_house((Hang(),), say("second")) as jobs:
        run = await claimed(jobs)
        await cut(jobs, run)
        jobs.clock.jump(timedelta(hours=2))
        again, [entry] = await restarted(jobs, run)
        assert (entry.status, entry.error) == ("error", CUT_ERROR)
        assert len(jobs.house.provider.requests) == 1
        job = await again.cron.get(run.job_id)
        assert job is not None
        assert job.state.running_at_ms is None


async def test_a_job_that_is_removed_takes_its_owed_run_along():
    async with job_house(say("done")) as jobs:
        run = await claimed(jobs)
        await jobs.cron.remove(run.job_id)
        _, entries = await restarted(jobs, run)
        assert entries == []
        assert jobs.house.provider.requests == []


async def test_a_job_that_is_removed_while_it_runs_ends_unheard():
    async with job_house((Hang(),)) as jobs:
        job = await jobs.add(payload=TURN, schedule=SOON)
        await jobs.house.provider.hanging.wait()
        await jobs.cron.remove(job.job_id)
        await jobs.house.agent.abort(jobs.house.sessions.key(f"agent:main:cron:{job.job_id}"))
        await until(lambda: jobs.cron.timer.runner.busy == 0)
        assert actions(jobs)[-1] == "removed"


async def test_the_main_session_hears_of_it_as_wished():
    async with job_house(say("a long answer")) as jobs:
        full = {"postToMainPrefix": " Night ", "postToMainMode": "full", "postToMainMaxChars": 6}
        job = await jobs.add(payload=TURN, isolation=full, wakeMode="now")
        await jobs.cron.run_job(job.job_id, is_forced=True)
        assert await jobs.said() == ["Night: a long…"]
        assert jobs.woken == [("main", f"cron:{job.job_id}:post")]
        [note] = await jobs.wakes.queued(jobs.house.sessions.key("main"))
        assert note.provenance.origin == "session"


async def test_a_failed_turn_says_so_and_rests():
    async with job_house() as jobs:
        job = await jobs.add(payload={**TURN, "deliver": True})
        await jobs.cron.run_job(job.job_id, is_forced=True)
        assert (await jobs.said())[0].startswith("Cron (error): Cron delivery requires")
        state = (await jobs.now(job)).state
        assert state.consecutive_errors == 1
        assert state.backoff_until_ms is not None


async def test_a_job_whose_agent_is_gone_uses_the_default_one():
    async with job_house() as jobs:
        job = await jobs.add(agentId="main")
        await jobs.house.database.write(
            lambda tx: tx.execute(
                """UPDATE cron_jobs
                SET spec = replace(spec, '"agent_id":"main"', '"agent_id":"x"')"""
            )
        )
        await jobs.cron.run_job(job.job_id, is_forced=True)
        assert await jobs.said() == ["tick"]


async def test_what_cannot_be_taken_now_is_tried_again():
    async with job_house(say("done")) as jobs:
        real = jobs.cron.timer.runner._parts.turns.run
        tries: list[int] = []

        async def shy(*args: Any) -> Any:
            tries.append(1)
            if len(tries) == 1:
                return None
            if len(tries) == 2:
                raise RuntimeError("broken")
            return await real(*args)

        jobs.cron.timer.runner._parts.turns.run = shy  # type: ignore[method-assign]
        job = await jobs.add(payload=TURN, schedule=SOON)
        async with asyncio.timeout(20):
            while "finished" not in actions(jobs):
                await jobs.clock.advance(1)
                await asyncio.sleep(0.005)
        assert len(tries) == 3
        assert (await jobs.now(job)).state.last_status == "ok"
        assert actions(jobs).count("finished") == 1
