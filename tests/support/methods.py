"""Handlers with real rooms below them: sessions, agent, configuration, presence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from carapace.app.parts import METHODS
from carapace.auth.presence import Presence
from carapace.auth.types import Caller
from carapace.clock import SystemClock
from carapace.config.load import Overrides
from carapace.config.paths import Paths
from carapace.config.service import ConfigService
from carapace.ids import ConnId
from carapace.methods.context import Context, Services
from carapace.methods.snapshot import AgentFacts, HealthCache, HealthFacts
from carapace.protocol.connect import ClientInfo
from carapace.protocol.models import ModelInfo
from carapace.protocol.presence import PresenceEntry
from carapace.protocol.validation import decode_params
from carapace.sessions.types import ModelRef, SessionPolicy
from carapace.tasks import Tasks
from carapace.telemetry.ring import LogTail, Ring
from support.agent_house import AgentHouse, agent_house
from support.auth import caller

__all__ = ["Desk", "FakeCall", "desk"]

CLIENT = ClientInfo(id="cli", version="1.0.0", platform="linux", mode="cli", display_name="golden")
POLICY = SessionPolicy(model=ModelRef("fake", "fake-1"), context_tokens=128_000)


@dataclass
class FakeCall:
    """A request as the server hands it over; keeps first answers."""

    caller: Caller
    client: ClientInfo | None = CLIENT
    accepted: list[Any] = field(default_factory=list[Any])

    @property
    def conn_id(self) -> ConnId:
        return self.caller.conn_id

    def accept(self, payload: Any) -> None:
        self.accepted.append(payload)


class Models:
    """A catalogue of one."""

    def catalogue(self) -> list[ModelInfo]:
        return [ModelInfo(id="fake-1", name="Fake One", provider="fake", context_window=128_000)]


@dataclass
class Desk:
    """Answers requests the way the dispatcher would, without sockets."""

    services: Services
    house: AgentHouse
    ring: Ring
    call: FakeCall
    errors: list[BaseException]

    async def ask(self, method: str, params: Any = None, *, call: FakeCall | None = None) -> Any:
        """The result as a client reads it."""
        row = METHODS[method]
        raw = msgspec.Raw(msgspec.json.encode({} if params is None else params))
        decoded = decode_params(row, raw)
        context = Context(self.services, call or self.call)
        result = row.handler(context, decoded)
        if row.is_async:
            result = await result
        return msgspec.json.decode(msgspec.json.encode(result))

    def caller_with(self, *scopes: str) -> FakeCall:
        """Somebody who may do just that."""
        return FakeCall(caller(*scopes))


@asynccontextmanager
async def desk(folder: Path, *scripts: Any, config_text: str | None = None) -> AsyncGenerator[Desk]:
    """A desk whose model plays `scripts`."""
    errors: list[BaseException] = []
    tasks = Tasks("test", lambda _name, error: errors.append(error))
    clock = SystemClock()
    paths = Paths(folder / "carapace.json", folder / "state")
    if config_text is not None:
        paths.config_path.write_text(config_text)
    ring = Ring()
    async with agent_house(*scripts) as house:
        config = ConfigService(paths, Overrides({}))
        health = HealthCache(
            lambda limit, agent_id: house.sessions.recent(limit, agent_id=agent_id),
            lambda: HealthFacts([AgentFacts("main", is_default=True)], config.trouble(), {}),
            path=house.sessions.path,
            clock=clock,
            tasks=tasks,
        )
        await health.renew()
        services = Services(
            config=config,
            config_schema=lambda: {"schema": {}, "uiHints": {}},
            sessions=house.sessions,
            agent=house.agent,
            profiles=house.profiles,
            policy=lambda: POLICY,
            models=Models(),
            presence=Presence(PresenceEntry(text="self", ts=1, mode="gateway")),
            health=health,
            logs=LogTail(ring, "/var/log/gateway.log"),
            publish=house.events.append,
            clock=clock,
        )
        try:
            yield Desk(services, house, ring, FakeCall(caller("operator.admin")), errors)
        finally:
            await tasks.close()
