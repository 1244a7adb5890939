"""`hooks.*` on a real kernel, in front of a real agent with a scripted model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from carapace.channels.types import Target
from carapace.config.settings.agents import AgentDefaults, AgentEntry, AgentsSettings
from carapace.config.settings.hooks import HooksSettings
from carapace.ids import SessionKey
from carapace.triggers.hooks import HookParts, Hooks
from carapace.triggers.owed import OwedHooks
from carapace.triggers.wakes import Wakes
from carapace.triggers.webhook_types import WebhookAnswer
from support.agent_house import AgentHouse, agent_house
from support.scripted_provider import echo
from support.webhooks import KernelRig, kernel_rig

__all__ = [
    "HOOK_TOKEN",
    "OWN_TOKEN",
    "HookRig",
    "KnownRouting",
    "hook_rig",
    "hook_settings",
    "json_of",
]

HOOK_TOKEN = "hook-token-0123456789-0123456789"
OWN_TOKEN = "gateway-token-0123456789-0123456"


@dataclass
class KnownRouting:
    """Satisfies `carapace.triggers.ports.Routing` from what a test says."""

    names: tuple[str, ...] = ()
    lasts: dict[str, Target] = field(default_factory=dict[str, Target])

    def channels(self) -> tuple[str, ...]:
        return self.names

    async def last(self, session_key: SessionKey) -> Target | None:
        return self.lasts.get(session_key)


def hook_settings(**changes: Any) -> HooksSettings:
    """As the configuration file would give them."""
    given = {"enabled": True, "token": HOOK_TOKEN, **changes}
    return msgspec.convert(given, HooksSettings)


@dataclass
class HookRig:
    """Everything a test may want to look at."""

    hooks: Hooks
    house: AgentHouse
    kernel: KernelRig
    routing: KnownRouting
    chosen: list[tuple[str, str]]

    async def post(
        self, path: str, body: Any = None, *, token: str | None = HOOK_TOKEN, **more: Any
    ) -> WebhookAnswer:
        """A request with the token as a bearer; `body` as JSON, or as it is if it is bytes."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        data = body if isinstance(body, bytes) else msgspec.json.encode(body or {})
        return await self.kernel.send(path, data, headers=headers, **more)

    async def said(self, key: str = "main") -> list[tuple[str, str]]:
        """Role and text of what a session holds."""
        return [(one.role, one.text) for one in await self.house.sessions.history(key)]

    async def settled(self, run_id: str) -> None:
        """Wait until a run has ended."""
        run = await self.house.agent.find(run_id)  # type: ignore[arg-type]
        assert run is not None
        await run.ended()


def json_of(answer: WebhookAnswer) -> Any:
    assert answer.content_type == "application/json; charset=utf-8"
    return msgspec.json.decode(answer.body)


@asynccontextmanager
async def hook_rig(*scripts: Any, **changes: Any) -> AsyncGenerator[HookRig]:
    """Hooks with these settings, agents `main` and `work`, and a model that echoes."""
    agents = AgentsSettings(
        defaults=AgentDefaults(skip_bootstrap=True),
        list=(AgentEntry(id="main", default=True), AgentEntry(id="work")),
    )
    async with (
        agent_house(*(scripts or (echo,)), settings=agents) as house,
        kernel_rig(database=house.database) as kernel,
    ):
        routing = KnownRouting()
        chosen: list[tuple[str, str]] = []

        async def choose_model(key: SessionKey, model: str) -> None:
            chosen.append((key, model))

        hooks = Hooks(
            kernel.kernel,
            HookParts(
                runs=house.agent,
                owed=OwedHooks(house.agent, house.database, kernel.clock),
                wakes=Wakes(house.database, kernel.clock),
                agents=house.profiles,
                routing=routing,
                to_key=house.sessions.key,
                choose_model=choose_model,
                is_own_secret=lambda text: text == OWN_TOKEN,
                clock=kernel.clock,
            ),
        )
        hooks.apply(hook_settings(**changes))
        yield HookRig(hooks, house, kernel, routing, chosen)
