"""Jobs and heartbeats over a real database and agent, with clocks that jump."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from carapace.channels.types import Target
from carapace.config.settings.cron import CronSettings
from carapace.ids import AgentId, SessionKey
from carapace.protocol.cron import CronAdd, CronJobState, CronPatch
from carapace.provenance import OWNER
from carapace.sessions.service import Sessions
from carapace.triggers.cron import records
from carapace.triggers.cron.edit import spec_of
from carapace.triggers.cron.ports import CronParts
from carapace.triggers.cron.schedule import first_slot
from carapace.triggers.cron.service import CronService
from carapace.triggers.cron.turns import JobTurns, TurnParts
from carapace.triggers.cron.types import Job
from carapace.triggers.wakes import Wakes
from support.agent_house import MAIN, AgentHouse, agent_house
from support.clock import FakeClock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERY_MINUTE = {"kind": "every", "everyMs": 60_000}
TEXT = {"kind": "systemEvent", "text": "tick"}
TURN = {"kind": "agentTurn", "message": "hello"}


class JumpingClock(FakeClock):
    """A clock whose wall can be set, while the one that only grows goes on."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self.shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift

    def jump(self, by: timedelta) -> None:
        self.shift += by


class Routes:
    """Where answers can go; a test sets it."""

    def __init__(self) -> None:
        self.last_target: Target | None = None

    def channels(self) -> tuple[str, ...]:
        return ("loop",)

    async def last(self, session_key: SessionKey) -> Target | None:
        del session_key
        return self.last_target


@dataclass
class JobHouse:
    """The scheduler and what a test looks at."""

    house: AgentHouse
    clock: JumpingClock
    cron: CronService
    wakes: Wakes
    routes: Routes
    woken: list[tuple[AgentId, str]] = field(default_factory=list[tuple[AgentId, str]])

    async def add(self, **more: Any) -> Job:
        asked = {"name": "job", "schedule": EVERY_MINUTE, "payload": TEXT, **more}
        return await self.cron.add(msgspec.convert(asked, CronAdd), OWNER)

    async def add_many(self, schedules: Iterable[dict[str, Any]]) -> None:
        """As `add` for each schedule, in one transaction."""
        now_ms = self.clock.now_ms()
        made = [_job(number, schedule, now_ms) for number, schedule in enumerate(schedules)]
        await self.house.database.write(lambda tx: [records.insert(tx, job) for job in made])
        self.cron.timer.ring()
        await self.settle()

    async def patch(self, job: Job, **changes: Any) -> Job:
        return await self.cron.update(job.job_id, msgspec.convert(changes, CronPatch))

    async def now(self, job: Job) -> Job:
        found = await self.cron.get(job.job_id)
        assert found is not None
        return found

    async def said(self) -> list[str]:
        return [one.text for one in await self.house.sessions.history(MAIN)]

    async def slots(self, job: Job) -> list[int]:
        """Slots of the schedule in the ledger, in order."""
        rows = await self.house.database.read(
            lambda tx: tx.all(
                "SELECT slot_ms FROM cron_runs WHERE job_id = ? AND is_forced = 0 ORDER BY slot_ms",
                (job.job_id,),
            )
        )
        return [row["slot_ms"] for row in rows]

    def told(self) -> list[dict[str, Any]]:
        return self.house.told("cron")

    async def pass_time(self, seconds: float, step_s: float = 30.0) -> None:
        """Let time pass in steps, each with what it brings."""
        while seconds > 0:
            part = min(step_s, seconds)
            await self.clock.advance(part)
            await self.settle()
            seconds -= part

    async def settle(self) -> None:
        """Until the timer has nothing left to do now and waits for the clock again."""
        await until(lambda: self.cron.timer.is_idle)


async def until(is_so: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Give way to others until it is so; database threads need real time."""
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110 - database threads tell nobody
            await asyncio.sleep(0.001)


@asynccontextmanager
async def job_house(
    *scripts: Any, settings: CronSettings | None = None, start: datetime = START
) -> AsyncGenerator[JobHouse]:
    """Everything, with the timer running."""
    clock = JumpingClock(start)
    async with agent_house(*scripts, clock=clock) as house:
        made = make_jobs(house, clock, settings)
        timer = asyncio.get_running_loop().create_task(made.cron.timer.run())
        try:
            await made.settle()
            yield made
        finally:
            await made.cron.timer.close()
            timer.cancel()
            await asyncio.wait({timer})


def make_jobs(
    house: AgentHouse, clock: JumpingClock, settings: CronSettings | None = None
) -> JobHouse:
    """A scheduler over a house, not started; as often as there are starts in a test."""
    routes, woken = Routes(), list[tuple[AgentId, str]]()
    turns = JobTurns(
        TurnParts(
            runs=house.agent,
            routing=routes,
            to_key=house.sessions.key,
            fresh=_fresh(house.sessions),
            choose_model=_choose(house.sessions),
            timezone=lambda agent_id: house.profiles.get(agent_id).timezone,
            clock=clock,
        )
    )
    parts = CronParts(
        turns=turns,
        agents=house.profiles,
        to_key=house.sessions.key,
        wake=lambda agent_id, reason: woken.append((agent_id, reason)),
        publish=house.events.append,
        database=house.database,
        clock=clock,
    )
    cron = CronService(parts, settings or CronSettings(), path=Path("carapace.db"))
    return JobHouse(house, clock, cron, Wakes(house.database, clock), routes, woken)


def _job(number: int, schedule: dict[str, Any], now_ms: int) -> Job:
    payload = {"kind": "systemEvent", "text": f"job {number}"}
    asked = {"name": str(number), "schedule": schedule, "payload": payload}
    spec = spec_of(msgspec.convert(asked, CronAdd))
    due_ms = first_slot(spec.schedule, now_ms=now_ms, anchor_ms=now_ms)
    return Job(
        job_id=f"job-{number}",
        spec=spec,
        provenance=OWNER,
        enabled=True,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
        revision=0,
        state=CronJobState(next_run_at_ms=due_ms),
    )


def _fresh(sessions: Sessions) -> Callable[[SessionKey], Any]:
    async def fresh(key: SessionKey) -> None:
        if await sessions.get(key) is not None:
            await sessions.reset(key)

    return fresh


def _choose(sessions: Sessions) -> Callable[[SessionKey, str], Any]:
    async def choose(key: SessionKey, model: str) -> None:
        del model
        await sessions.ensure(key)

    return choose
