"""The object graph: every service of the house, built from the ground floor up.

Plain constructors in floor order; this file is the map. Where a lower room has news for a
higher one (`publish`, `close`), it gets a function that finds the higher room when called.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

from carapace import __version__
from carapace.agent.budget import Budget
from carapace.agent.embeddings import Embeddings
from carapace.agent.mcp.servers import McpServers
from carapace.agent.memory.local import LocalEmbedder
from carapace.agent.memory.meanings import Meanings
from carapace.agent.onboarding.service import Onboarding
from carapace.agent.profiles import Profiles
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
from carapace.app.agent_tools import open_agent_tools
from carapace.app.all_methods import METHODS
from carapace.app.callers import open_callers
from carapace.app.chat_hooks import ChatHooks
from carapace.app.chats import Chats, open_chats
from carapace.app.execs import Execs, open_execs
from carapace.app.files import Files, open_files
from carapace.app.hook_routes import hook_parts
from carapace.app.late import Late
from carapace.app.mcp import open_mcp
from carapace.app.nodes import node_events, open_nodes
from carapace.app.observing import Observing
from carapace.app.plugin_opening import open_plugins
from carapace.app.plugins import HousePlugins
from carapace.app.policy import SessionPolicies, tool_layers
from carapace.app.provider_keys import ProviderKeys
from carapace.app.providers import open_providers, provider_variables, using_keys
from carapace.app.restarts import Restarts
from carapace.app.scheduling import Scheduling, heartbeat_plans, open_scheduling
from carapace.app.serving import serve
from carapace.app.setup import HouseSetup
from carapace.app.skills import open_skills
from carapace.app.source import Source, own_presence
from carapace.app.speech import build_speech
from carapace.auth.presence import Presence
from carapace.auth.service import Authenticator
from carapace.auth.shared import SharedCredential
from carapace.channels.accounts.service import Accounts
from carapace.channels.accounts.signing import WebLogin
from carapace.clock import Clock
from carapace.config.schema import config_schema
from carapace.config.service import ConfigService
from carapace.credentials.opening import open_vault
from carapace.hooks.bus import HookBus
from carapace.ids import SessionKey
from carapace.methods.context import Services
from carapace.methods.snapshot import AgentFacts, HealthCache, HealthFacts
from carapace.net.client import Egress
from carapace.server.app import GatewayServer
from carapace.sessions.service import Sessions
from carapace.store.sqlite import SqliteDatabase
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.triggers.cron.tool import cron_tools
from carapace.triggers.hooks import Hooks
from carapace.triggers.replay import ReplayMemory
from carapace.triggers.restart_notes import RestartNotes
from carapace.triggers.webhooks import WebhookKernel
from carapace.value import Value

__all__ = ["METHODS", "Parts", "build", "provider_variables"]

_log = get_logger(__name__)


class Parts(Value, frozen=True, kw_only=True):
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
    mcp: McpServers
    hook_bus: HookBus
    hooks: Hooks
    scheduling: Scheduling
    egress: Egress
    health: HealthCache
    restarts: Restarts
    restart_notes: RestartNotes
    provider_keys: ProviderKeys
    server: GatewayServer


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
    settings, paths, late = config.settings, config.paths, Late()
    tasks = Tasks("gateway", _report)
    egress = Egress(observing.audit, settings=settings.net)
    hook_bus = HookBus(clock, observing.metrics)
    stack.push_async_callback(hook_bus.aclose)
    chat_hooks = ChatHooks(hook_bus)
    database = await SqliteDatabase.open(paths.state_dir / "carapace.db", clock=clock)
    stack.push_async_callback(database.close)
    vault = await open_vault(paths.state_dir, environment)

    # who is calling
    calling = await open_callers(
        lambda: config.settings.gateway,
        vault,
        database=database,
        egress=egress,
        late=late,
        clock=clock,
        observing=observing,
    )
    presence = Presence(own_presence(clock.now_ms()))

    # who answers
    provider_keys, providers = await open_providers(
        config, vault, environment=environment, egress=egress, clock=clock, observing=observing
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
            shared=calling.shared,
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

    house_plugins = open_plugins(
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
        shared=calling.shared,
        vault=vault,
        database=database,
        egress=egress,
        late=late,
        tasks=tasks,
        clock=clock,
        observing=observing,
        stack=stack,
    )

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
        lambda: _facts(profiles, config, observing, messages.accounts),
        # The name alone: every reader sees it in hello-ok, and paths are not for all (A16).
        path=database.path.name,
        clock=clock,
        tasks=tasks,
        on_change=late.health_changed,
    )
    source = Source(cache, presence, policy=policies, paths=paths, clock=clock)

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
        devices=calling.devices,
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
                on_key=using_keys(config, environment, providers, provider_keys),
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
    late.server = serve(
        lambda: config.settings,
        services,
        admitter=calling.authenticator,
        source=source,
        files=files,
        kernel=kernel,
        invoker=invoker,
        embeddings=Embeddings(
            providers,
            meanings.embedder,
            is_local_on=lambda: config.settings.memory.vectors != "off",
        ),
        database=database,
        observing=observing,
    )
    # Last in, first out: background work ends before the rooms it uses are closed.
    stack.push_async_callback(tasks.close)
    return Parts(
        clock=clock,
        config=config,
        observing=observing,
        tasks=tasks,
        database=database,
        shared=calling.shared,
        authenticator=calling.authenticator,
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
        mcp=open_mcp(
            tools,
            database=database,
            egress=egress,
            state_dir=paths.state_dir,
            environment=environment,
            clock=clock,
            observing=observing,
            stack=stack,
        ),
        hook_bus=hook_bus,
        hooks=hooks,
        scheduling=scheduling,
        egress=egress,
        health=cache,
        restarts=restarts,
        restart_notes=restart_notes,
        provider_keys=provider_keys,
        server=late.server,
    )


def _facts(
    profiles: Profiles, config: ConfigService, observing: Observing, accounts: Accounts
) -> HealthFacts:
    report = observing.readiness.report()
    plans = heartbeat_plans(config.settings, profiles)
    return HealthFacts(
        agents=[
            AgentFacts(one.agent_id, one.agent_id == profiles.default_id, one.wire())
            for one in plans
        ],
        config_issue=config.trouble(),
        degraded=report.reasons,
        channels=accounts.health(),
    )


def _report(name: str, error: BaseException) -> None:
    _log.error("background task died", task=name, exc_info=error)
