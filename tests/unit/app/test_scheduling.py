"""Jobs and heartbeats reach the rooms of the house."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from carapace.app.scheduling import heartbeat_plans, last_use, silencing
from carapace.channels.types import Target
from carapace.config.settings import Settings
from carapace.ids import RunId, SessionKey
from carapace.protocol.cron import CronAdd
from carapace.provenance import OWNER
from support.agent_house import MAIN, ask
from support.house import built
from support.methods import method_house
from support.scripted_provider import say

TURN = {
    "name": "n",
    "schedule": {"everyMs": 3_600_000},
    "payload": {"kind": "agentTurn", "message": "m", "model": "fake/fake-1"},
}


async def test_a_turn_of_a_job_has_a_session_and_a_model_of_its_own():
    async with method_house(say("done")) as house:
        for _ in range(2):
            job = await house.services.cron.add(msgspec.convert(TURN, CronAdd), OWNER)
            await house.services.cron.run_job(job.job_id, is_forced=True)
            await house.services.cron.run_job(job.job_id, is_forced=True)
            [*_, entry] = await house.services.cron.runs(job.job_id, 5)
            assert (entry.status, entry.summary) == ("ok", "done")
            session = await house.services.sessions.get(f"agent:main:cron:{job.job_id}")
            assert session is not None
            assert session.model_override == "fake-1"


async def test_what_is_due_in_the_workspace_is_read(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        heartbeats = parts.scheduling.heartbeats
        agent_id = parts.profiles.default_id
        assert not heartbeats._parts.has_tasks(agent_id)
        root = parts.profiles.get(agent_id).workspace.root
        root.mkdir(parents=True, exist_ok=True)
        (root / "HEARTBEAT.md").write_text("# Tasks\n- water the plants\n")
        assert heartbeats._parts.has_tasks(agent_id)
        plan = heartbeats.plan(agent_id)
        assert plan is not None
        assert plan.every_ms == 1_800_000
        new = msgspec.convert({"cron": {"enabled": False}}, Settings)
        parts.scheduling.apply(new)
        assert not parts.scheduling.cron.timer.settings.enabled
        assert [one.agent_id for one in heartbeat_plans(new, parts.profiles)] == [agent_id]
        parts.scheduling.stop()
        await parts.scheduling.cron.timer.run()  # ends at once


async def test_words_of_a_heartbeat_go_to_the_outbox_once():
    async with method_house() as house:
        target = Target(channel="webchat", account="default", conversation="me")
        send = house.services.heartbeats._parts.send
        for _ in range(2):
            await send(target, "The door is open.", RunId("r"), OWNER)
        counts = await house.services.outbox.counts()
        assert counts.waiting <= 1


async def test_a_run_that_said_nothing_is_taken_out():
    async with method_house(say("HEARTBEAT_OK")) as house:
        sessions, database = house.services.sessions, house.agent_house.database
        used_at_ms = last_use(sessions)
        assert await used_at_ms(SessionKey("agent:main:nowhere")) is None
        run = await house.agent_house.agent.submit(ask("heartbeat"))
        await run.ended()
        await silencing(house.agent_house.agent, database, house.clock)(run, 5)
        assert await sessions.history(MAIN) == []
        assert await used_at_ms(MAIN) == 5
