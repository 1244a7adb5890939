"""The object graph: every service of the house, built from the ground floor up.

Plain constructors in floor order; this file is the map. Where a lower room has news for a
higher one (`publish`, `close`), it gets a function that finds the higher room when called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carapace import __version__
from carapace.agent.budget import Budget
from carapace.agent.events import cut_events
from carapace.agent.memory.local import LocalEmbedder
from carapace.agent.memory.meanings import Meanings
from carapace.agent.onboarding.service import Onboarding
from carapace.agent.profiles import Profiles
from carapace.agent.providers.egress import provider_clients
from carapace.agent.providers.local import LocalProvider
from carapace.agent.providers.registry import ProviderRegistry
from carapace.agent.service import AgentService
from carapace.agent.speech.auto import SpokenAnswers
from carapace.agent.spending import Spending
from carapace.agent.subagents.service import SubAgents
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.invoke import ToolInvoker
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.tools.spawn import spawn_tools
from carapace.agent.weights.library import Library
from carapace.app.agent_tools import open_agent_tools
from carapace.app.chat_hooks import ChatHooks
from carapace.app.chats import Chats, open_chats
from carapace.app.execs import Execs, open_execs
from carapace.app.files import Files, open_files
from carapace.app.hook_routes import hook_parts
from carapace.app.http import Canvas, serve_http
from carapace.app.nodes import node_events, open_nodes
from carapace.app.observing import Observing
from carapace.app.plugins import HousePlugins, PluginWorks
from carapace.app.policy import SessionPolicies, tool_layers
from carapace.app.provider_keys import ProviderKeys
from carapace.app.restarts import Restarts
from carapace.app.scheduling import Scheduling, heartbeat_plans, open_scheduling
from carapace.app.setup import HouseSetup
from carapace.app.skills import open_skills
from carapace.app.source import Source, own_names, own_presence
from carapace.app.speech import build_speech
from carapace.app.struct_types import prepare
from carapace.auth.devices import Devices
from carapace.auth.pairing import Pairing
from carapace.auth.presence import Presence
from carapace.auth.revocation import Revocations
from carapace.auth.service import Authenticator
from carapace.auth.shared import SharedCredential
from carapace.auth.tailscale import SOCKET_PATH, TailscaleWhois
from carapace.auth.tokens import DeviceTokens
from carapace.auth.types import Caller
from carapace.channels.accounts.signing import WebLogin
from carapace.clock import Clock
from carapace.config.schema import config_schema
from carapace.config.service import ConfigService
from carapace.config.settings.environment import EnvSettings
from carapace.config.settings.models import EmbeddedSettings
from carapace.credentials.opening import open_vault
from carapace.hooks.bus import HookBus
from carapace.ids import SessionKey
from carapace.methods import (
    agents,
    approvals,
    channel_pairing,
    chat,
    config,
    cron,
    devices,
    health,
    inbox,
    logs,
    models,
    node_forwards,
    nodes,
    outbox,
    plugin_setup,
    plugins,
    runs,
    sessions,
    sign_in,
    skills,
    system,
    talk,
    tts,
    update,
    usage,
    voicewake,
    wizard,
)
from carapace.methods.context import Context, Services
from carapace.methods.snapshot import AgentFacts, HealthCache, HealthFacts
from carapace.net.client import Egress
from carapace.protocol.events import Event
from carapace.server.app import GatewayServer, ServerParts
from carapace.server.http_health import HealthRoutes
from carapace.server.http_media import MediaRoutes
from carapace.server.http_webhooks import WebhookCatch
from carapace.sessions.service import Sessions
from carapace.store.sqlite import SqliteDatabase
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.triggers.cron.tool import cron_tools
from carapace.triggers.hooks import Hooks
from carapace.triggers.replay import ReplayMemory
from carapace.triggers.restart_notes import RestartNotes
from carapace.triggers.webhooks import WebhookKernel

__all__ = ["METHODS", "Parts", "build", "provider_variables"]

_log = get_logger(__name__)

METHODS = health.METHODS.merge(
    agents.METHODS,
    approvals.METHODS,
    channel_pairing.METHODS,
    chat.METHODS,
    config.METHODS,
    cron.METHODS,
    devices.METHODS,
    inbox.METHODS,
    logs.METHODS,
    models.METHODS,
    node_forwards.METHODS,
    nodes.METHODS,
    outbox.METHODS,
    plugin_setup.METHODS,
    plugins.METHODS,
    runs.METHODS,
    sessions.METHODS,
    sign_in.METHODS,
    skills.METHODS,
    system.METHODS,
    update.METHODS,
    talk.METHODS,
    tts.METHODS,
    usage.METHODS,
    wizard.METHODS,
    voicewake.METHODS,
)
"""Every method of the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What `Gateway` starts and stops."""

    clock: Clock
    config: ConfigService
    observing: Observing
    tasks: Tasks
    database: SqliteDatabase
    shared: SharedCredential
    authenticator: Authenticator
    providers: ProviderRegistry
    profiles: Profiles
    policies: SessionPolicies
    budget: Budget
    tools: ToolRunner
    invoker: ToolInvoker
    execs: Execs
    meanings: Meanings
    agent: AgentService
    subagents: SubAgents
    files: Files
    chats: Chats
    plugins: HousePlugins
    hook_bus: HookBus
    hooks: Hooks
    scheduling: Scheduling
    egress: Egress
    health: HealthCache
    restarts: Restarts
    restart_notes: RestartNotes
    provider_keys: ProviderKeys
    server: GatewayServer


class _Late:
    """News from rooms that are built before the server: kept from nobody, lost only unheard."""

    def __init__(self) -> None:
        self.server: GatewayServer | None = None

    def publish(self, event: Event) -> None:
        """Tell the clients, if there is a server yet."""
        if self.server is not None:
            self.server.hub.publish(event)

    def presence_changed(self) -> None:
        """Tell the clients who is present soon."""
        if self.server is not None:
            self.server.announcer.presence_changed()

    def callers(self) -> Iterable[Caller]:
        """Who is connected."""
        return self.server.hub.callers if self.server is not None else ()

    def health_changed(self) -> None:
        """Tell the clients about health soon."""
        if self.server is not None:
            self.server.announcer.health_changed()

    def close(self, matches: Callable[[Caller], bool], reason: str) -> None:
        """End live connections, if there are any yet."""
        if self.server is not None:
            self.server.hub.close(matches, reason)


async def build(
    config: ConfigService,
    observing: Observing,
    *,
    environment: Mapping[str, str],
    clock: Clock,
    stack: AsyncExitStack,
) -> Parts:
    """Build everything; what has to be closed is pushed on `stack` in that order.

    Raises:
        GatewayError: If a part cannot work: the vault, the database, the credential.
    """
    settings, paths, late = config.settings, config.paths, _Late()
    tasks = Tasks("gateway", _report)
    egress = Egress(observing.audit, settings=settings.net)
    hook_bus = HookBus(clock, observing.metrics)
    stack.push_async_callback(hook_bus.aclose)
    chat_hooks = ChatHooks(hook_bus)
    database = await SqliteDatabase.open(paths.state_dir / "carapace.db", clock=clock)
    stack.push_async_callback(database.close)
    vault = await open_vault(paths.state_dir, environment)

    # who is calling
    revocations = Revocations(late.close)
    shared = await SharedCredential.open(
        settings.gateway.auth,
        vault,
        audit=observing.audit,
        revocations=revocations,
        redactor=observing.redactor,
    )
    tokens = await DeviceTokens.open(vault)
    pairing = Pairing(database, tokens, clock=clock, publish=late.publish, audit=observing.audit)
    authenticator = Authenticator(
        settings.gateway,
        shared=shared,
        tokens=tokens,
        pairing=pairing,
        revocations=revocations,
        whois=TailscaleWhois(lambda: egress.unix_client(SOCKET_PATH), clock=clock),
        clock=clock,
        audit=observing.audit,
        metrics=observing.metrics,
    )
    presence = Presence(own_presence(clock.now_ms()))

    # who answers
    library = Library(paths.state_dir / "models")
    provider_keys = ProviderKeys(vault)
    await provider_keys.load()
    providers = ProviderRegistry(
        models=settings.models,
        agents=settings.agents,
        env={**provider_variables(settings.env, environment), **provider_keys.variables},
        http_client=provider_clients(egress),
        clock=clock,
        embedded=_embedded(library, clock),
        add_secret=observing.redactor.add_secret,
    )
    stack.push_async_callback(providers.aclose)
    house_skills = await open_skills(
        config,
        vault,
        variables=lambda: provider_variables(config.settings.env, environment),
        search=environment.get("PATH", ""),
        clock=clock,
        audit=observing.audit,
        add_secret=observing.redactor.add_secret,
    )
    profiles = Profiles(settings.agents, state_dir=paths.state_dir, skills=house_skills.listed)
    policies = SessionPolicies(lambda: config.settings, profiles, providers)
    conversations = Sessions(database, clock, policy=policies, path=database.path, hooks=hook_bus)
    await conversations.activations.load()
    budget = Budget(
        database, clock, settings.agents, audit=observing.audit, metrics=observing.metrics
    )
    execs = open_execs(
        settings.tools.exec,
        database=database,
        state_dir=paths.state_dir,
        profiles=profiles,
        sessions=conversations,
        chats=lambda: messages,
        callers=late.callers,
        publish=late.publish,
        environment=environment,
        clock=clock,
        audit=observing.audit,
        stack=stack,
        variables=house_skills.variables(profiles),
    )
    tools = ToolRunner(
        builtin_tools(with_memory=settings.memory.enabled).merge(
            execs.tools,
            house_skills.tools(profiles),
            cron_tools(lambda: scheduling.cron, lambda: profiles.default_id),
        ),
        execs.approvals,
        audit=observing.audit,
        metrics=observing.metrics,
        hooks=hook_bus,
        layers=tool_layers(settings),
    )
    meanings = Meanings(database, LocalEmbedder(clock), clock, mode=settings.memory.vectors)
    stack.push_async_callback(meanings.close)
    files = await open_files(
        lambda: config.settings,
        root=paths.state_dir / "media",
        models=paths.state_dir / "models",
        database=database,
        egress=egress,
        providers=providers,
        budget=budget,
        clock=clock,
        observing=observing,
        stack=stack,
    )

    async def stop_runs(key: SessionKey) -> int:
        return len(await agent.abort(key))

    messages = await open_chats(
        lambda: config.settings,
        agent_id=profiles.default_id,
        database=database,
        keep_media=files.store.add_reference,
        release_media=files.store.release,
        hooks=chat_hooks,
        stop_runs=stop_runs,
        activation=conversations.activations.of,
        settle_approval=execs.settle,
        on_change=late.health_changed,
        clock=clock,
        observing=observing,
    )
    memory = MemoryStore(database, clock, meanings=meanings)
    agent = AgentService(
        database=database,
        sessions=conversations,
        models=providers,
        profiles=profiles,
        tools=tools,
        memory=memory,
        budget=budget,
        publish=late.publish,
        clock=clock,
        metrics=observing.metrics,
        max_concurrent=settings.agents.defaults.max_concurrent,
        hooks=hook_bus,
        delivery=messages.delivery,
        catalogue=providers.catalogue,
    )
    subagents = SubAgents(
        agent,
        conversations,
        profiles,
        settings=lambda: config.settings.agents,
        database=database,
        clock=clock,
    )
    stack.push_async_callback(subagents.aclose)
    tools.add(*spawn_tools(subagents).values())
    invoker = open_agent_tools(
        tools,
        lambda: config.settings,
        agent=agent,
        approvals=execs.approvals,
        sessions=conversations,
        policy=policies,
        memory=memory,
        profiles=profiles,
        messages=messages,
        files=files,
        egress=egress,
        variables=lambda: provider_variables(config.settings.env, environment),
        add_secret=observing.redactor.add_secret,
        clock=clock,
    )
    kernel = WebhookKernel(
        ReplayMemory(database, clock), clock=clock, audit=observing.audit, metrics=observing.metrics
    )
    speech = build_speech(
        lambda: config.settings,
        providers=providers,
        variables=lambda: provider_variables(config.settings.env, environment),
        egress=egress,
        programs=house_skills.shelf.programs,
        store=files.store,
        media_root=paths.state_dir / "media",
        database=database,
        database_name=database.path.name,
        clock=clock,
    )
    spoken = SpokenAnswers(speech, messages.outbox, messages.accounts.info)
    stack.push_async_callback(spoken.aclose)
    chats = Chats(
        messages,
        agent,
        profiles=profiles,
        sessions=conversations,
        database=database,
        files=files,
        hooks=chat_hooks,
        kernel=kernel,
        egress=egress,
        publish=late.publish,
        clock=clock,
        observing=observing,
        on_delivered=spoken.delivered,
    )
    hooks = Hooks(
        kernel,
        hook_parts(
            agent,
            conversations,
            profiles=profiles,
            accounts=messages.accounts,
            shared=shared,
            database=database,
            clock=clock,
        ),
    )

    scheduling = open_scheduling(
        lambda: config.settings,
        agent,
        conversations,
        profiles=profiles,
        accounts=messages.accounts,
        outbox=messages.outbox,
        render=messages.render,
        database=database,
        path=database.path,
        publish=late.publish,
        clock=clock,
    )
    stack.push_async_callback(scheduling.close)

    async def open_plugins(root: Path, lock_key: bytes) -> PluginWorks:
        from carapace.app.plugin_works import plugin_works  # noqa: PLC0415 - see `app.plugins`

        prepare()
        build_plugins = plugin_works(
            lambda: config.settings,
            state_dir=paths.state_dir,
            agent=agent,
            profiles=profiles,
            sessions=conversations,
            tools=tools,
            accounts=messages.accounts,
            files=files,
            hook_bus=hook_bus,
            kernel=kernel,
            shared=shared,
            vault=vault,
            database=database,
            egress=egress,
            on_change=late.health_changed,
            clock=clock,
            observing=observing,
        )
        return await build_plugins(root, lock_key)

    house_plugins = HousePlugins(
        paths.state_dir / "plugins", vault, database=database, tasks=tasks, build=open_plugins
    )
    stack.push_async_callback(house_plugins.aclose)

    live_nodes = await open_nodes(
        lambda: config.settings.gateway.nodes,
        database,
        conversations,
        publish=late.publish,
        clock=clock,
        audit=observing.audit,
        metrics=observing.metrics,
    )

    # what clients see
    cache = HealthCache(
        lambda limit, agent_id: conversations.recent(limit, agent_id=agent_id),
        lambda: _facts(profiles, config, observing),
        # The name alone: every reader sees it in hello-ok, and paths are not for all (A16).
        path=database.path.name,
        clock=clock,
        tasks=tasks,
        on_change=late.health_changed,
    )
    source = Source(cache, presence, policy=policies, paths=paths, clock=clock)

    def use_keys() -> None:
        now = config.settings
        known = provider_variables(now.env, environment)
        providers.apply(now.models, now.agents, {**known, **provider_keys.variables})

    restarts = Restarts(clock, tasks)
    restart_notes = RestartNotes(database, clock)
    services = Services(
        config=config,
        config_schema=lambda: config_schema(__version__, clock.now()),
        sessions=conversations,
        agent=agent,
        profiles=profiles,
        policy=policies,
        models=providers,
        presence=presence,
        devices=Devices(
            database,
            tokens,
            revocations=revocations,
            clock=clock,
            publish=late.publish,
            audit=observing.audit,
        ),
        nodes=live_nodes,
        node_events=node_events(
            live_nodes, agent, conversations, profiles=profiles, database=database, clock=clock
        ),
        health=cache,
        logs=observing.tail,
        access=messages.access,
        intake=messages.intake,
        inbox=messages.inbox,
        outbox=messages.outbox,
        accounts=messages.accounts,
        render=messages.render,
        fetch_file=files.fetch,
        plugins=house_plugins,
        restarts=restarts,
        restart_notes=restart_notes,
        onboarding=Onboarding(
            HouseSetup(
                config,
                provider_keys,
                environment=environment,
                channels=messages.accounts.infos,
                on_key=use_keys,
            ),
            clock,
        ),
        skills=house_skills.service(profiles),
        spending=Spending(database, budget, agents=lambda: profiles.ids, clock=clock),
        speech=speech,
        web_login=WebLogin(),
        approvals=execs.book,
        pending_approvals=execs.pending,
        cron=scheduling.cron,
        heartbeats=scheduling.heartbeats,
        wakes=scheduling.wakes,
        presence_changed=late.presence_changed,
        publish=late.publish,
        clock=clock,
    )
    canvas = Canvas(settings, clock)
    server = GatewayServer(
        ServerParts(
            methods=METHODS,
            make_context=lambda call: Context(services, call),
            admitter=authenticator,
            source=source,
            presence=presence,
            nodes=live_nodes,
            origin_settings=lambda: config.settings.gateway,
            limits=settings.gateway.limits,
            tick_interval_s=settings.gateway.tick_interval_s,
            own_names=own_names(),
            version=__version__,
            host=own_names()[0],
            clock=clock,
            metrics=observing.metrics,
            audit=observing.audit,
            missed=lambda: _cuts(agent, clock),
            canvas_url=canvas.url,
        )
    )
    late.server = server
    server.catch(WebhookCatch(kernel, origin_of=server.guard.origin))
    server.add(MediaRoutes(files.links, files.store))
    server.add(
        HealthRoutes(observing.readiness, admitter=authenticator, origin_of=server.guard.origin)
    )
    serve_http(
        server,
        lambda: config.settings,
        methods=METHODS,
        admitter=authenticator,
        agent=agent,
        profiles=profiles,
        to_key=conversations.key,
        invoker=invoker,
        files=files,
        canvas=canvas,
        database=database,
        clock=clock,
    )
    # Last in, first out: background work ends before the rooms it uses are closed.
    stack.push_async_callback(tasks.close)
    return Parts(
        clock=clock,
        config=config,
        observing=observing,
        tasks=tasks,
        database=database,
        shared=shared,
        authenticator=authenticator,
        providers=providers,
        profiles=profiles,
        policies=policies,
        budget=budget,
        tools=tools,
        invoker=invoker,
        execs=execs,
        meanings=meanings,
        agent=agent,
        subagents=subagents,
        files=files,
        chats=chats,
        plugins=house_plugins,
        hook_bus=hook_bus,
        hooks=hooks,
        scheduling=scheduling,
        egress=egress,
        health=cache,
        restarts=restarts,
        restart_notes=restart_notes,
        provider_keys=provider_keys,
        server=server,
    )


def _cuts(agent: AgentService, clock: Clock) -> Iterator[Event]:
    """What a client that comes back after a restart hears of the runs it was waiting for."""
    now_ms = clock.now_ms()
    for cut in agent.cut_runs():
        yield from cut_events(cut, ts_ms=now_ms)


def provider_variables(settings: EnvSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """Where providers look for keys: `env.vars`, under the real environment.

    They are read by name and never enter the process's own environment, so that no file can
    set `LD_PRELOAD` and the like (advisory H04).
    """
    return {**settings.vars, **{name: value for name, value in environment.items() if value}}


def _embedded(library: Library, clock: Clock) -> Callable[[EmbeddedSettings], Any]:
    def make(settings: EmbeddedSettings) -> LocalProvider:
        return LocalProvider(settings, library, clock=clock)

    return make


def _facts(profiles: Profiles, config: ConfigService, observing: Observing) -> HealthFacts:
    report = observing.readiness.report()
    plans = heartbeat_plans(config.settings, profiles)
    return HealthFacts(
        agents=[
            AgentFacts(one.agent_id, one.agent_id == profiles.default_id, one.wire())
            for one in plans
        ],
        config_issue=config.trouble(),
        degraded=report.reasons,
    )


def _report(name: str, error: BaseException) -> None:
    _log.error("background task died", task=name, exc_info=error)
