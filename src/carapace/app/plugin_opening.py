"""Plugins, wired to the house, and not built before the first one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.agent.tools.runner import ToolRunner
from carapace.app.files import Files
from carapace.app.late import Late
from carapace.app.observing import Observing
from carapace.app.plugins import HousePlugins, PluginWorks
from carapace.app.struct_types import prepare
from carapace.auth.shared import SharedCredential
from carapace.channels.accounts.service import Accounts
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.credentials.ports import Vault
from carapace.hooks.bus import HookBus
from carapace.net.client import Egress
from carapace.sessions.service import Sessions
from carapace.store.ports import Database
from carapace.tasks import Tasks
from carapace.triggers.webhooks import WebhookKernel

__all__ = ["open_plugins"]


def open_plugins(
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
    late: Late,
    tasks: Tasks,
    clock: Clock,
    observing: Observing,
    stack: AsyncExitStack,
) -> HousePlugins:
    """What runs plugins once there is one; closed with `stack`."""

    async def build(root: Path, lock_key: bytes) -> PluginWorks:
        from carapace.app.plugin_works import plugin_works  # noqa: PLC0415 - see `app.plugins`

        prepare()
        works = plugin_works(
            settings,
            state_dir=state_dir,
            agent=agent,
            profiles=profiles,
            sessions=sessions,
            tools=tools,
            accounts=accounts,
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
        return await works(root, lock_key)

    house = HousePlugins(state_dir / "plugins", vault, database=database, tasks=tasks, build=build)
    stack.push_async_callback(house.aclose)
    return house
