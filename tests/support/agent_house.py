"""The agent with a real database and sessions, and a provider that plays a script."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from carapace.agent.approval import Approvals, Approver, DenyAll
from carapace.agent.budget import Budget
from carapace.agent.delivery import Delivery
from carapace.agent.profiles import Profiles
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.service import AgentService
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.registry import Tools
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.types import RunOutcome, Submission
from carapace.channels.commands import parse_command
from carapace.clock import Clock, SystemClock
from carapace.config.settings.agents import AgentDefaults, AgentsSettings
from carapace.hooks.bus import HookBus
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.events import Event
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionPolicy
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from support.database import memory_database
from support.scripted_provider import ScriptedProvider

__all__ = ["MAIN", "AgentHouse", "agent_house", "ask", "build_house", "done", "texts", "typed"]

MAIN = SessionKey("agent:main:main")


class FixedModels:
    """Always the same targets; as `ProviderRegistry.resolve` with nothing to look up."""

    def __init__(self, targets: Sequence[ModelTarget]) -> None:
        self.targets = targets
        self.asked: list[str | None] = []

    def resolve(self, model_ref: str | None, agent_id: AgentId) -> Sequence[ModelTarget]:
        del agent_id
        self.asked.append(model_ref)
        return self.targets


@dataclass
class AgentHouse:
    """Everything a test may want to look at."""

    agent: AgentService
    provider: ScriptedProvider
    models: FixedModels
    sessions: Sessions
    database: Database
    profiles: Profiles
    memory: MemoryStore
    metrics: Metrics
    audit: Audit
    tools: ToolRunner
    folder: Path
    events: list[Event] = field(default_factory=list[Event])

    def told(self, name: str | None = None) -> list[dict[str, Any]]:
        """Payloads of the events so far, as a client reads them."""
        return [
            msgspec.json.decode(msgspec.json.encode(event.payload))
            for event in self.events
            if name in (None, event.name)
        ]

    def states(self) -> list[str]:
        """Kind and state or stream of every event, with its number."""
        return [
            f"{event.name} {told.get('state') or told['stream']} {told['seq']}"
            for event, told in zip(self.events, self.told(), strict=True)
        ]


def ask(message: str, run_id: str = "r1", *, key: str = MAIN, **more: Any) -> Submission:
    """A message to the main session of the main agent."""
    values: dict[str, Any] = {"shown_key": "main", "agent_id": AgentId("main"), **more}
    return Submission(run_id=RunId(run_id), session_key=SessionKey(key), message=message, **values)


def typed(text: str, run_id: str = "r1", **more: Any) -> Submission:
    """A message that somebody typed who may use every command."""
    return ask(text, run_id, as_chat=True, command=parse_command(text), **more)


def build_house(
    database: Database,
    folder: Path,
    provider: ScriptedProvider,
    *,
    clock: Clock,
    settings: AgentsSettings | None = None,
    approver: Approver | None = None,
    tools: Tools | None = None,
    target: dict[str, Any] | None = None,
    max_concurrent: int = 4,
    hooks: HookBus | None = None,
    delivery: Delivery | None = None,
) -> AgentHouse:
    """Wire the agent as the app does."""
    settings = settings or AgentsSettings(defaults=AgentDefaults(skip_bootstrap=True))
    events: list[Event] = []
    metrics = Metrics("0", with_process=False)
    audit = Audit(folder / "audit", clock=clock, redactor=Redactor())
    sessions = Sessions(
        database, clock, policy=SessionPolicy, path=folder / "sessions", hooks=hooks
    )
    profiles = Profiles(settings, state_dir=folder)
    memory = MemoryStore(database, clock)
    runner = ToolRunner(
        tools if tools is not None else builtin_tools(),
        Approvals(approver or DenyAll()),
        audit=audit,
        metrics=metrics,
        hooks=hooks,
    )
    values: dict[str, Any] = {
        "context_tokens": 128_000,
        "api": "openai-completions",
        **(target or {}),
    }
    models = FixedModels([ModelTarget("fake", "fake-1", provider, **values)])
    agent = AgentService(
        database=database,
        sessions=sessions,
        models=models,
        profiles=profiles,
        tools=runner,
        memory=memory,
        budget=Budget(database, clock, settings, audit=audit, metrics=metrics),
        publish=events.append,
        clock=clock,
        metrics=metrics,
        max_concurrent=max_concurrent,
        delivery=delivery,
        hooks=hooks,
    )
    return AgentHouse(
        agent,
        provider,
        models,
        sessions,
        database,
        profiles,
        memory,
        metrics,
        audit,
        runner,
        folder,
        events,
    )


@asynccontextmanager
async def agent_house(
    *scripts: Any, clock: Clock | None = None, **options: Any
) -> AsyncGenerator[AgentHouse]:
    """A house that is taken down again; `options` go to `build_house`."""
    with tempfile.TemporaryDirectory(prefix="carapace-agent-") as folder:
        async with memory_database() as database:
            house = build_house(
                database,
                Path(folder),
                ScriptedProvider(*scripts),
                clock=clock or SystemClock(),
                **options,
            )
            try:
                yield house
            finally:
                await house.agent.drain(0.0)


async def done(house: AgentHouse, message: str, run_id: str = "r1", **more: Any) -> RunOutcome:
    """Send a message and wait for the outcome of its run."""
    run = await house.agent.submit(ask(message, run_id, **more))
    return await run.ended()


def texts(outcome: RunOutcome) -> list[str]:
    """What was said."""
    assert outcome.result is not None
    return [payload.text for payload in outcome.result.payloads]
