"""What jobs use of other rooms is one value."""

from __future__ import annotations

from support.jobs import job_house


async def test_the_parts_reach_the_rooms():
    async with job_house() as jobs:
        await jobs.add(wakeMode="now")
        await jobs.pass_time(61)
        assert [reason.partition(":")[0] for _, reason in jobs.woken] == ["cron"]
        assert jobs.told()[0]["action"] == "added"
