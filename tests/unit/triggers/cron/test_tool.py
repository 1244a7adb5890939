"""An agent makes jobs for itself on its owner's word, and on nobody else's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.registry import ToolContext, ToolTrouble
from carapace.ids import AgentId, RunId
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.triggers.cron.tool import CronCall, cron_tools
from support.agent_house import MAIN
from support.jobs import TURN, JobHouse, job_house
from support.scripted_provider import say
from support.tool_calls import tool_context

GUEST = Provenance(origin=Origin.CHANNEL, authority=Authority.GUEST)
REMINDER: dict[str, Any] = {
    "action": "add",
    "name": "tea",
    "message": "drink it",
    "every_minutes": 5,
}


async def call(jobs: JobHouse, provenance: Provenance = OWNER, /, **params: Any) -> str:
    tools = cron_tools(lambda: jobs.cron, lambda: jobs.house.profiles.default_id)
    context = ToolContext(
        run_id=RunId("r"),
        session_key=MAIN,
        agent_id=AgentId("main"),
        provenance=provenance,
        timezone="Europe/Berlin",
        clock=jobs.clock,
        sessions=jobs.house.sessions,
        memory=jobs.house.memory,
    )
    return str(await tools["cron"].handler(context, msgspec.convert(params, CronCall)))


async def test_a_reminder_is_made_listed_run_and_removed():
    async with job_house() as jobs:
        assert await call(jobs, action="list") == "You have no jobs."
        assert "tea" in await call(jobs, **REMINDER)
        [job] = await jobs.cron.jobs(with_disabled=True)
        assert (job.spec.session_target, job.spec.wake_mode) == ("main", "now")
        assert job.provenance == OWNER
        assert job.job_id in await call(jobs, action="list")
        assert await call(jobs, action="run", id=job.job_id) == "The job has begun."
        assert await jobs.said() == ["drink it"]
        assert await call(jobs, action="remove", id=job.job_id) == "The job is removed."
        assert await jobs.cron.jobs(with_disabled=True) == []


async def test_a_task_of_its_own_is_not_waited_for():
    async with job_house(say("done")) as jobs:
        await call(jobs, **{**REMINDER, "own_session": True})
        [job] = await jobs.cron.jobs(with_disabled=True)
        assert job.spec.session_target == "isolated"
        assert await call(jobs, action="run", id=job.job_id) == "The job has begun."
        assert await call(jobs, action="run", id=job.job_id) == "The job runs already."


async def test_how_the_scheduler_stands_is_told():
    async with job_house() as jobs:
        await call(jobs, **REMINDER)
        told = await call(jobs, action="status")
        assert '"enabled":true' in told
        assert '"jobs":1' in told
        assert "nextWakeAtMs" in told


async def test_times_are_said_in_one_way():
    async with job_house() as jobs:
        once: dict[str, Any] = {
            "action": "add",
            "name": "n",
            "message": "m",
            "at": "2030-01-01T00:00:00Z",
        }
        await call(jobs, **once)
        daily: dict[str, Any] = {"action": "add", "name": "n", "message": "m", "expr": "0 7 * * *"}
        await call(jobs, **daily)
        specs = [job.spec for job in await jobs.cron.jobs(with_disabled=True)]
        assert {spec.delete_after_run for spec in specs} == {True, None}
        zones = {getattr(spec.schedule, "tz", None) for spec in specs}
        assert zones == {None, "Europe/Berlin"}
        for bad in ({**once, "every_minutes": 5}, {"action": "add", "name": "n", "message": "m"}):
            with pytest.raises(ToolTrouble, match="exactly one"):
                await call(jobs, **bad)
        with pytest.raises(ToolTrouble, match="name and a message"):
            await call(jobs, action="add", every_minutes=5)
        with pytest.raises(ToolTrouble, match="CronPattern"):
            await call(jobs, **{**daily, "expr": "nope"})


async def test_jobs_of_other_agents_are_not_its_own():
    async with job_house() as jobs:
        job = await jobs.add(payload=TURN)
        await jobs.house.database.write(
            lambda tx: tx.execute(
                """UPDATE cron_jobs SET spec = json_set(spec, '$.agent_id', 'work')"""
            )
        )
        assert await call(jobs, action="list") == "You have no jobs."
        with pytest.raises(ToolTrouble, match="no job of that id"):
            await call(jobs, action="remove", id=job.job_id)


@pytest.mark.parametrize("provenance", [GUEST, OWNER.without_admin()], ids=["guest", "no admin"])
async def test_nobody_but_the_owner_with_every_scope_has_it(provenance: Provenance):
    async with job_house() as jobs:
        runner = jobs.house.agent._turns._tools
        runner.add(*cron_tools(lambda: jobs.cron, lambda: AgentId("main")).values())
        assert runner.find("cron", tool_context(jobs.house)) is not None
        for action in ("list", "add", "remove", "run"):
            arguments = msgspec.json.encode({**REMINDER, "action": action}).decode()
            context = tool_context(jobs.house, provenance=provenance)
            report = await runner.run(ToolCall("c", "cron", arguments), context)
            assert report.outcome == "denied"
