"""All services behind the methods, and calls as the dispatcher makes them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from carapace.agent.budget import Budget
from carapace.agent.onboarding.service import Onboarding
from carapace.agent.speech.choice import Choices
from carapace.agent.speech.service import Speech
from carapace.agent.spending import Spending
from carapace.app.execs import open_execs
from carapace.app.nodes import node_events, open_nodes
from carapace.app.parts import METHODS
from carapace.app.provider_keys import ProviderKeys
from carapace.app.restarts import Restarts
from carapace.app.scheduling import heartbeat_plans, open_scheduling
from carapace.app.setup import HouseSetup
from carapace.app.skills import open_skills
from carapace.auth.presence import Presence
from carapace.auth.types import Caller
from carapace.channels.accounts.signing import WebLogin
from carapace.channels.types import Target
from carapace.config.load import Overrides
from carapace.config.paths import PathFlags, resolve_paths
from carapace.config.schema import config_schema
from carapace.config.service import ConfigService
from carapace.config.settings.agents import AgentsSettings
from carapace.config.settings.exec import ExecSettings
from carapace.errors import Refused
from carapace.ids import ConnId
from carapace.media.store import MediaStore
from carapace.methods.context import Context, Services
from carapace.methods.snapshot import AgentFacts, HealthCache, HealthFacts
from carapace.protocol.connect import ClientInfo
from carapace.protocol.models import ModelInfo
from carapace.protocol.validation import decode_params
from carapace.sessions.types import SessionPolicy
from carapace.tasks import Tasks
from carapace.telemetry.ring import LogTail, Ring
from carapace.triggers.restart_notes import RestartNotes
from support.agent_house import AgentHouse, agent_house
from support.auth import MemoryVault
from support.chat_rooms import ChatRooms, open_chat_rooms
from support.clock import FakeClock
from support.media import media_store
from support.nodes import Closed, open_devices
from support.running_plugins import RunningPlugins
from support.server import make_caller, own_entry
from support.speech import Parrot

__all__ = ["FakeCall", "MethodHouse", "Shelf", "method_house"]


@dataclass
class FakeCall:
    """A request without a wire; remembers first answers."""

    caller: Caller = field(default_factory=make_caller)
    accepted: list[Any] = field(default_factory=list[Any])

    @property
    def conn_id(self) -> ConnId:
        return self.caller.conn_id

    @property
    def client(self) -> ClientInfo | None:
        return self.caller.client

    def accept(self, payload: Any) -> None:
        self.accepted.append(plain(payload))


class Shelf:
    """Files of a small internet, put into a real store as `MediaFetcher` does.

    Attributes:
        files: Contents by address; others are refused.
        asked: Every address that was asked for.
        accounts: For which account each was.
    """

    def __init__(self, store: MediaStore) -> None:
        self.store = store
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.accounts: list[str] = []

    async def fetch(self, url: str, target: Target) -> str:
        self.asked.append(url)
        self.accounts.append(f"{target.channel}/{target.account}")
        if url not in self.files:
            raise Refused("the file was not fetched from there: its address is not public")
        return (await self.store.put_bytes(self.files[url])).id


class OneModel:
    """A catalogue of one."""

    def catalogue(self) -> list[ModelInfo]:
        return [ModelInfo(id="fake-1", name="Fake One", provider="fake", context_window=128_000)]


@dataclass
class MethodHouse:
    """The services, and a way to ask them."""

    agent_house: AgentHouse
    services: Services
    clock: FakeClock
    ring: Ring
    tasks: Tasks
    degraded: dict[str, str]
    chats: ChatRooms
    plugins: RunningPlugins
    shelf: Shelf
    closed: Closed

    async def call(self, method: str, params: Any = None, call: FakeCall | None = None) -> Any:
        """The answer as a client reads it; what the handler raises is raised."""
        row = METHODS[method]
        given = decode_params(row, msgspec.Raw(msgspec.json.encode(params or {})))
        context = Context(self.services, call or FakeCall())
        result = row.handler(context) if row.params is None else row.handler(context, given)
        if callable(result):
            result = result()
        return plain(await result if inspect.isawaitable(result) else result)


def plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


@asynccontextmanager
async def method_house(*scripts: Any, **options: Any) -> AsyncGenerator[MethodHouse]:
    """Real rooms below, a scripted provider, a clock that stands still."""
    clock = FakeClock(datetime(2026, 1, 2, tzinfo=UTC))
    async with (
        agent_house(*scripts, clock=clock, **options) as house,
        AsyncExitStack() as rooms,
    ):
        media = await rooms.enter_async_context(media_store(house.folder, house.database, clock))
        chats = await open_chat_rooms(house, clock, rooms, keep_media=media.add_reference)
        shelf = Shelf(media)
        paths = resolve_paths({}, PathFlags(state_dir=str(house.folder / "state")))
        paths.make_state_dir()
        config = ConfigService(paths, Overrides({}, {}, {}))
        tasks = Tasks("methods", lambda _name, _error: None)
        ring, degraded = Ring(), dict[str, str]()
        cache = HealthCache(
            lambda limit, agent_id: house.sessions.recent(limit, agent_id=agent_id),
            lambda: HealthFacts(
                [
                    AgentFacts(one.agent_id, one.agent_id == house.profiles.default_id, one.wire())
                    for one in heartbeat_plans(config.settings, house.profiles)
                ],
                config.trouble(),
                degraded,
            ),
            path=house.sessions.path,
            clock=clock,
            tasks=tasks,
        )
        plugins, closed = RunningPlugins(), Closed()
        skills = await open_skills(
            config, MemoryVault(), variables=dict, search="", clock=clock, audit=house.audit
        )
        engines = (Parrot("piper"), Parrot("espeak-ng"), Parrot("openai"), Parrot("elevenlabs"))
        caps: AgentsSettings = options.get("settings") or AgentsSettings()
        budget = Budget(house.database, clock, caps, audit=house.audit, metrics=house.metrics)
        execs = open_execs(
            ExecSettings(),
            database=house.database,
            state_dir=house.folder / "state",
            profiles=house.profiles,
            sessions=house.sessions,
            chats=lambda: None,
            callers=tuple,
            publish=house.events.append,
            environment={},
            clock=clock,
            audit=house.audit,
            stack=rooms,
        )
        nodes = await open_nodes(
            lambda: config.settings.gateway.nodes,
            house.database,
            house.sessions,
            publish=house.events.append,
            clock=clock,
            audit=house.audit,
            metrics=house.metrics,
        )
        scheduling = open_scheduling(
            lambda: config.settings,
            house.agent,
            house.sessions,
            profiles=house.profiles,
            accounts=chats.parts.accounts,
            outbox=chats.parts.outbox,
            render=chats.parts.render,
            database=house.database,
            path=house.folder / "carapace.db",
            publish=house.events.append,
            clock=clock,
        )
        rooms.push_async_callback(scheduling.close)
        presence_news: list[int] = []
        services = Services(
            config=config,
            config_schema=lambda: config_schema("test", clock.now()),
            sessions=house.sessions,
            agent=house.agent,
            profiles=house.profiles,
            policy=SessionPolicy,
            models=OneModel(),
            presence=Presence(own_entry()),
            devices=open_devices(
                house.database,
                house.folder,
                clock=clock,
                publish=house.events.append,
                closed=closed,
            ),
            nodes=nodes,
            node_events=node_events(
                nodes,
                house.agent,
                house.sessions,
                profiles=house.profiles,
                database=house.database,
                clock=clock,
            ),
            health=cache,
            logs=LogTail(ring, "/log"),
            access=chats.parts.access,
            intake=chats.parts.intake,
            inbox=chats.parts.inbox,
            outbox=chats.parts.outbox,
            accounts=chats.parts.accounts,
            render=chats.parts.render,
            fetch_file=shelf.fetch,
            plugins=plugins,
            restarts=Restarts(clock, tasks),
            restart_notes=RestartNotes(house.database, clock),
            onboarding=Onboarding(
                HouseSetup(config, ProviderKeys(MemoryVault()), environment={}), clock
            ),
            skills=skills.service(house.profiles),
            web_login=WebLogin(),
            speech=Speech(
                engines,
                lambda: config.settings.messages.tts,
                choices=Choices(house.database, clock),
                store=media,
                media_root=house.folder / "media",
                prefs_path="carapace.db",
            ),
            spending=Spending(
                house.database, budget, agents=lambda: house.profiles.ids, clock=clock
            ),
            approvals=execs.book,
            pending_approvals=execs.pending,
            cron=scheduling.cron,
            heartbeats=scheduling.heartbeats,
            wakes=scheduling.wakes,
            presence_changed=lambda: presence_news.append(clock.now_ms()),
            publish=house.events.append,
            clock=clock,
        )
        try:
            yield MethodHouse(
                house, services, clock, ring, tasks, degraded, chats, plugins, shelf, closed
            )
        finally:
            await tasks.close()
