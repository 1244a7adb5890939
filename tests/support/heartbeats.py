"""Heartbeats over a real agent, on a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from carapace.agent.types import RunSource
from carapace.app.scheduling import last_use, silencing
from carapace.channels.types import Target
from carapace.config.settings.agents import AgentsSettings
from carapace.ids import AgentId, RunId
from carapace.provenance import Provenance
from carapace.triggers.heartbeat.plan import HeartbeatPlan, plan_of
from carapace.triggers.heartbeat.service import HeartbeatParts, Heartbeats
from carapace.triggers.wakes import Wakes
from support.agent_house import AgentHouse, agent_house
from support.jobs import JumpingClock, Routes

AGENT = AgentId("main")


@dataclass
class Beats:
    """Heartbeats over a real agent."""

    house: AgentHouse
    clock: JumpingClock
    heartbeats: Heartbeats
    wakes: Wakes
    routes: Routes
    sent: list[tuple[Target, str]] = field(default_factory=list[tuple[Target, str]])
    has_tasks: bool = True
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def plans(self) -> list[HeartbeatPlan]:
        settings = msgspec.convert({"defaults": {"heartbeat": self.settings}}, AgentsSettings)
        return [plan_of(settings, AGENT, default_id=AGENT)]

    def events(self) -> list[dict[str, Any]]:
        return self.house.told("heartbeat")

    async def pass_until(self, count: int, step_s: float = 60.0) -> None:
        """Let time pass until so many heartbeats have been told."""
        async with asyncio.timeout(10):
            while len(self.events()) < count:
                await self.clock.advance(step_s)
                await asyncio.sleep(0.002)

    async def begun(self) -> None:
        """Wake it, until its model has been asked."""
        self.heartbeats.wake(AGENT, "wake")
        async with asyncio.timeout(10):
            while not self.house.provider.hanging.is_set():
                await self.clock.advance(0.5)
                await asyncio.sleep(0.002)

    async def woken(self, count: int = 1) -> dict[str, Any]:
        self.heartbeats.wake(AGENT, "wake")
        await self.pass_until(count, step_s=0.5)
        return self.events()[-1]


@asynccontextmanager
async def beats(*scripts: Any, **settings: Any) -> AsyncGenerator[Beats]:
    clock = JumpingClock()
    async with agent_house(*scripts, clock=clock) as house:
        wakes, routes = Wakes(house.database, clock), Routes()

        async def send(target: Target, text: str, run_id: RunId, whose: Provenance) -> None:
            del run_id, whose
            made.sent.append((target, text))

        heartbeats = Heartbeats(
            HeartbeatParts(
                runs=house.agent,
                routing=routes,
                wakes=wakes,
                plans=lambda: made.plans(),  # noqa: PLW0108 - made below
                has_tasks=lambda _agent: made.has_tasks,
                to_key=house.sessions.key,
                used_at_ms=last_use(house.sessions),
                silence=silencing(house.agent, house.database, clock),
                send=send,
                publish=house.events.append,
                clock=clock,
            )
        )
        made = Beats(house, clock, heartbeats, wakes, routes, settings=settings)
        task = asyncio.get_running_loop().create_task(heartbeats.run())
        try:
            yield made
        finally:
            await heartbeats.close()
            task.cancel()
            await asyncio.wait({task})


async def sources_of(room: Beats) -> list[RunSource]:
    rows = await room.house.database.read(
        lambda tx: tx.all("SELECT source FROM turns ORDER BY accepted_at_ms")
    )
    return [RunSource(row["source"]) for row in rows]
