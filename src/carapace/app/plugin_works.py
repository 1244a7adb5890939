"""Builds what runs plugins; imported with the first one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.agent.tools.runner import ToolRunner
from carapace.app.files import Files
from carapace.app.observing import Observing
from carapace.app.plugin_bridge import PluginRooms
from carapace.app.plugin_doors import ChannelDoor, PluginTurns
from carapace.app.plugin_media import PluginMedia
from carapace.app.plugin_runner import PluginRunner
from carapace.app.plugins import BuildPlugins, PluginWorks
from carapace.auth.shared import SharedCredential
from carapace.channels.accounts.service import Accounts
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.credentials.ports import Vault
from carapace.hooks.bus import HookBus
from carapace.media.fetch import MediaFetcher
from carapace.net.client import Egress
from carapace.plugins.host.aot_cache import open_aot_cache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.host.supervisor import House
from carapace.plugins.package.installer import Installer
from carapace.plugins.package.sources import Sources
from carapace.plugins.ports import PluginHost
from carapace.sessions.service import Sessions
from carapace.store.ports import Database
from carapace.triggers.plugin_webhooks import PluginWebhooks
from carapace.triggers.webhooks import WebhookKernel

__all__ = ["plugin_works"]

_CACHE = "plugin-cache"
_MAX_ANSWER_BYTES = 32 * 1024 * 1024


def plugin_works(
    settings: Callable[[], Settings],
    *,
    state_dir: Path,
    agent: AgentService,
    profiles: Profiles,
    sessions: Sessions,
    tools: ToolRunner,
    accounts: Accounts,
    files: Files,
    hook_bus: HookBus,
    kernel: WebhookKernel,
    shared: SharedCredential,
    vault: Vault,
    database: Database,
    egress: Egress,
    on_change: Callable[[], None],
    clock: Clock,
    observing: Observing,
) -> BuildPlugins:
    """What builds it around a folder, from the services of the house."""

    async def make_host() -> PluginHost:
        cache = await open_aot_cache(state_dir / _CACHE, vault, audit=observing.audit)
        return WorkerHost(
            House(
                artifacts=CompiledPlugins(cache, Compiler()),
                clock=clock,
                audit=observing.audit,
                metrics=observing.metrics,
                on_change=lambda _plugin_id: on_change(),
            )
        )

    def turns(plugin_id: str) -> PluginTurns:
        return PluginTurns(
            plugin_id, agent, to_key=sessions.key, agent_id=lambda: profiles.default_id
        )

    async def read_media(handle: str) -> bytes:
        return await files.store.read(handle, max_bytes=_MAX_ANSWER_BYTES)

    async def build(root: Path, lock_key: bytes) -> PluginWorks:
        fetcher = MediaFetcher(
            egress, files.store, clock=clock, audit=observing.audit, metrics=observing.metrics
        )
        rooms = PluginRooms(
            settings=settings,
            host=await make_host(),
            database=database,
            clock=clock,
            egress=egress,
            media=PluginMedia(files.store, fetcher, files.links),
            tools=tools,
            accounts=accounts,
            channels=ChannelDoor(),
            webhooks=PluginWebhooks(
                kernel, read_media=read_media, is_own_secret=shared.matches_bearer
            ),
            hook_bus=hook_bus,
            turns=turns,
            add_secret=observing.redactor.add_secret,
            on_change=on_change,
        )
        runner = PluginRunner(rooms)
        installer = Installer(
            root,
            lock_key,
            sources=Sources(egress, lambda: settings().plugins.registry),
            settings=lambda: settings().plugins,
            runtime=runner,
            clock=clock,
            audit=observing.audit,
        )
        return PluginWorks(installer, runner)

    return build
