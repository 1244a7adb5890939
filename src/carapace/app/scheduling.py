"""What starts turns by the clock: jobs, heartbeats, and the texts they find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from carapace.agent.profiles import Profiles
from carapace.agent.runs import Run
from carapace.agent.service import AgentService
from carapace.app.hook_routes import LastRoute
from carapace.channels.accounts.service import Accounts
from carapace.channels.outbox.service import Outbox
from carapace.channels.types import Outgoing, Target
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.events import Publish
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import Provenance
from carapace.sessions.service import Sessions
from carapace.sessions.silence import silence
from carapace.store.ports import Database, Tx
from carapace.triggers.cron.ports import CronParts
from carapace.triggers.cron.service import CronService
from carapace.triggers.cron.turns import JobTurns, TurnParts
from carapace.triggers.heartbeat.answers import has_tasks
from carapace.triggers.heartbeat.plan import HeartbeatPlan, plan_of
from carapace.triggers.heartbeat.service import HeartbeatParts, Heartbeats
from carapace.triggers.ports import Routing
from carapace.triggers.wakes import Wakes
from carapace.value import Value

__all__ = ["Scheduling", "heartbeat_plans", "last_use", "open_scheduling", "silencing"]

_TASKS_FILE: Final = "HEARTBEAT.md"


class Scheduling(Value, frozen=True):
    """Jobs, heartbeats, and the texts that wait in sessions."""

    cron: CronService
    heartbeats: Heartbeats
    wakes: Wakes

    def apply(self, settings: Settings) -> None:
        """Take new settings."""
        self.cron.timer.apply(settings.cron)
        self.heartbeats.changed()

    def stop(self) -> None:
        """Begin nothing more; what is cut from now on stays owed."""
        self.cron.timer.stop()
        self.heartbeats.stop()

    async def close(self) -> None:
        """End what is left, before the database closes."""
        await self.heartbeats.close()
        await self.cron.timer.close()


def heartbeat_plans(settings: Settings, profiles: Profiles) -> list[HeartbeatPlan]:
    """The heartbeats of all agents, the default one first."""
    default_id = profiles.default_id
    return [plan_of(settings.agents, one, default_id=default_id) for one in profiles.ids]


def open_scheduling(
    settings: Callable[[], Settings],
    agent: AgentService,
    sessions: Sessions,
    *,
    profiles: Profiles,
    accounts: Accounts,
    outbox: Outbox,
    render: Callable[[str, Target], list[str]],
    database: Database,
    path: Path,
    publish: Publish,
    clock: Clock,
) -> Scheduling:
    """All of it, from the services of the house."""
    wakes = Wakes(database, clock)
    routing = LastRoute(sessions, accounts)
    heartbeats = Heartbeats(
        HeartbeatParts(
            runs=agent,
            routing=routing,
            wakes=wakes,
            plans=lambda: heartbeat_plans(settings(), profiles),
            has_tasks=lambda agent_id: _has_tasks(profiles, agent_id),
            to_key=sessions.key,
            used_at_ms=last_use(sessions),
            silence=silencing(agent, database, clock),
            send=_send(outbox, render),
            publish=publish,
            clock=clock,
        )
    )
    parts = CronParts(
        turns=_turns(agent, sessions, routing, profiles=profiles, clock=clock),
        agents=profiles,
        to_key=sessions.key,
        wake=heartbeats.wake,
        publish=publish,
        database=database,
        clock=clock,
    )
    return Scheduling(CronService(parts, settings().cron, path=path), heartbeats, wakes)


def _turns(
    agent: AgentService,
    sessions: Sessions,
    routing: Routing,
    *,
    profiles: Profiles,
    clock: Clock,
) -> JobTurns:
    async def fresh(key: SessionKey) -> None:
        if await sessions.get(key) is not None:
            await sessions.reset(key)

    async def choose_model(key: SessionKey, model: str) -> None:
        await sessions.ensure(key)
        await sessions.patch(SessionsPatch(key=key, model=model))

    return JobTurns(
        TurnParts(
            runs=agent,
            routing=routing,
            to_key=sessions.key,
            fresh=fresh,
            choose_model=choose_model,
            timezone=lambda agent_id: profiles.get(agent_id).timezone,
            clock=clock,
        )
    )


def _has_tasks(profiles: Profiles, agent_id: AgentId) -> bool:
    files = profiles.get(agent_id).workspace.read()
    return any(file.name == _TASKS_FILE and has_tasks(file.text) for file in files)


def last_use(sessions: Sessions) -> Callable[[SessionKey], Awaitable[int | None]]:
    """Tells when a session was last used, if it is there."""

    async def used_at_ms(key: SessionKey) -> int | None:
        entry = await sessions.get(key)
        return None if entry is None else entry.updated_at_ms

    return used_at_ms


def silencing(
    agent: AgentService, database: Database, clock: Clock
) -> Callable[[Run, int | None], Awaitable[None]]:
    """Takes a run that said nothing out of its conversation."""

    async def quiet(run: Run, updated_at_ms: int | None) -> None:
        now_ms = clock.now_ms()

        def work(tx: Tx) -> bool:
            return silence(
                tx,
                run.session_key,
                run.session_id,
                run.run_id,
                updated_at_ms=updated_at_ms,
                now_ms=now_ms,
            )

        if await database.write(work):
            agent.forget_history(run.session_key)

    return quiet


def _send(
    outbox: Outbox, render: Callable[[str, Target], list[str]]
) -> Callable[[Target, str, RunId, Provenance], Awaitable[None]]:
    async def send(target: Target, text: str, run_id: RunId, provenance: Provenance) -> None:
        for number, part in enumerate(render(text, target), start=1):
            outgoing = Outgoing(target=target, text=part, idempotency_key=f"{run_id}/{number}")
            await outbox.put(outgoing, provenance=provenance, run_id=run_id, group=run_id)

    return send
