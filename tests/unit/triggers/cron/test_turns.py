"""The turn of a job: its message, its session, where its answer goes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.types import RunOutcome, RunState
from carapace.channels.types import Target
from carapace.ids import AgentId
from carapace.protocol.cron import AgentTurn, SystemEvent
from carapace.triggers.cron.turns import end_of, is_cut, message_of
from carapace.triggers.cron.types import Job, JobRun
from support.jobs import START, TURN, JobHouse, job_house
from support.scripted_provider import echo, say

MAIN = AgentId("main")


def run_of(job: Job, slot_ms: int = 1) -> JobRun:
    return JobRun(job_id=job.job_id, slot_ms=slot_ms, is_forced=False, starts=1, started_at_ms=1)


async def turn(jobs: JobHouse, job: Job, slot_ms: int = 1) -> Any:
    return await jobs.cron.timer.runner._parts.turns.run(job, run_of(job, slot_ms), MAIN)


async def test_the_model_reads_which_job_it_is_and_the_time():
    async with job_house(echo) as jobs:
        job = await jobs.add(name="golden turn", payload=TURN)
        end = await turn(jobs, job)
        assert end.status == "ok"
        assert end.summary == (
            f"Echo: [cron:{job.job_id} golden turn] hello\n"
            "Current time: Sunday, March 1st, 2026 — 12:00 PM (UTC)"
        )


@pytest.mark.parametrize(
    ("when", "zone", "expected"),
    [
        ("2026-11-22T18:01", None, "Sunday, November 22nd, 2026 — 6:01 PM (UTC)"),
        ("2026-11-11T00:05", "UTC", "Wednesday, November 11th, 2026 — 12:05 AM (UTC)"),
        (
            "2026-11-03T09:30",
            "Europe/Berlin",
            "Tuesday, November 3rd, 2026 — 10:30 AM (Europe/Berlin)",
        ),
        ("2026-11-23T09:30", "Not/There", "Monday, November 23rd, 2026 — 9:30 AM (UTC)"),
    ],
)
async def test_the_time_is_told_as_people_say_it(when: str, zone: str | None, expected: str):
    async with job_house() as jobs:
        job = await jobs.add(payload=TURN)
        moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
        text = message_of(job, AgentTurn(message="hello"), moment, zone)
        assert text.endswith(f"hello\nCurrent time: {expected}")


async def test_each_run_begins_with_an_empty_session():
    async with job_house(echo) as jobs:
        job = await jobs.add(name="j", payload=TURN)
        key = f"agent:main:cron:{job.job_id}"
        for slot in (1, 2):
            await turn(jobs, job, slot)
        assert [len(request.messages) for request in jobs.house.provider.requests] == [1, 1]
        entry = await jobs.house.sessions.get(key)
        assert entry is not None
        assert entry.display_name == "Cron: j"


async def test_the_same_start_again_is_the_same_run():
    async with job_house(echo) as jobs:
        job = await jobs.add(payload=TURN)
        first, second = await turn(jobs, job), await turn(jobs, job)
        assert first == second
        assert len(jobs.house.provider.requests) == 1
        known = await jobs.cron.timer.runner._parts.turns.known(run_of(job))
        assert known is not None
        assert end_of(known) == first
        assert await jobs.cron.timer.runner._parts.turns.known(run_of(job, 9)) is None


async def test_an_answer_goes_where_it_is_wanted():
    async with job_house(echo) as jobs:
        asked: list[Any] = []
        accept = jobs.house.agent.accept

        async def listen(submission: Any) -> Any:
            asked.append(submission)
            return await accept(submission)

        jobs.house.agent.accept = listen
        last = Target(channel="loop", account="default", conversation="room", thread_id="t")
        for slot, (wish, expected) in enumerate(
            (
                ({}, None),
                ({"deliver": True}, last),
                (
                    {"channel": "last", "to": "other"},
                    replace(last, conversation="other", thread_id=None),
                ),
                ({"deliver": True, "channel": "loop"}, last),
                ({"deliver": False, "to": "x"}, None),
            )
        ):
            jobs.routes.last_target = last
            job = await jobs.add(payload={**TURN, **wish})
            await turn(jobs, job, slot)
            route = asked[-1].reply_route
            assert (route.target if route else None) == expected
        jobs.routes.last_target = None
        job = await jobs.add(payload={**TURN, "channel": "loop", "to": "you"})
        await turn(jobs, job)
        assert asked[-1].reply_route.target.conversation == "you"


@pytest.mark.parametrize("wish", [{"deliver": True}, {"to": "x"}, {"channel": "away", "to": "x"}])
async def test_without_somebody_to_send_to_it_fails_unless_that_does_not_matter(
    wish: dict[str, Any],
):
    async with job_house(echo) as jobs:
        job = await jobs.add(payload={**TURN, **wish})
        end = await turn(jobs, job)
        assert end.status == "error"
        assert "recipient" in end.error
        job = await jobs.add(payload={**TURN, **wish, "bestEffortDeliver": True})
        assert (await turn(jobs, job)).status == "ok"


async def test_the_wishes_of_a_turn_reach_it():
    async with job_house(echo) as jobs:
        wishes = {"model": "fake/fake-1", "thinking": "low", "timeoutSeconds": 5}
        job = await jobs.add(payload={**TURN, **wishes})
        assert (await turn(jobs, job)).status == "ok"
        assert jobs.house.provider.requests[0].thinking == "low"


async def test_a_text_is_no_turn():
    async with job_house() as jobs:
        job = await jobs.add(payload=TURN)
        odd = replace(job, spec=replace_payload(job))
        assert (await turn(jobs, odd)).status == "skipped"


def replace_payload(job: Job) -> Any:
    import msgspec  # noqa: PLC0415 - only here

    return msgspec.structs.replace(job.spec, payload=SystemEvent("x"))


async def test_a_model_that_refuses_is_an_error():
    fault = ProviderError(ProviderFault.AUTH, "no credit")
    async with job_house((fault,)) as jobs:
        job = await jobs.add(payload=TURN)
        end = await turn(jobs, job)
        assert (end.status, end.error) == ("error", "no credit")


async def test_a_gateway_that_stops_owes_the_turn():
    async with job_house(echo) as jobs:
        job = await jobs.add(payload=TURN)
        await jobs.house.agent.drain(0)
        assert await turn(jobs, job) is None


def test_long_answers_are_shortened_and_cuts_are_known():
    outcome = RunOutcome(state=RunState.CUT, status="error", summary="cut", ended_at_ms=1)
    assert is_cut(outcome)
    assert end_of(outcome).error == "cut"


async def test_a_long_answer_is_shortened():
    async with job_house(say("word " * 1_000)) as jobs:
        job = await jobs.add(payload=TURN)
        end = await turn(jobs, job)
        assert len(end.summary) <= 2_000
        assert end.summary.endswith("…")
        assert len(end.text) == 4_999
        assert START.tzinfo is UTC
