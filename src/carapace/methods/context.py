"""What every handler is given: the services, and the call it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from carapace.agent.exec.book import ApprovalsBook
from carapace.agent.exec.pending import PendingApprovals
from carapace.agent.onboarding.service import Onboarding
from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.agent.skills.service import Skills
from carapace.agent.speech.service import Speech
from carapace.agent.spending import Spending
from carapace.auth.devices import Devices
from carapace.auth.presence import Presence
from carapace.auth.types import Caller
from carapace.channels.access.service import AccessService
from carapace.channels.accounts.service import Accounts
from carapace.channels.accounts.signing import WebLogin
from carapace.channels.inbox.service import Inbox
from carapace.channels.intake import IntakeService
from carapace.channels.outbox.service import Outbox
from carapace.channels.types import Target
from carapace.clock import Clock
from carapace.config.service import ConfigService
from carapace.ids import ConnId
from carapace.methods.snapshot import HealthCache
from carapace.nodes.service import Nodes
from carapace.protocol.config import RestartReport
from carapace.protocol.connect import ClientInfo
from carapace.protocol.events import Publish
from carapace.protocol.models import ModelInfo
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionPolicy
from carapace.telemetry.ring import LogTail
from carapace.triggers.cron.service import CronService
from carapace.triggers.heartbeat.service import Heartbeats
from carapace.triggers.node_events import NodeEvents
from carapace.triggers.restart_notes import RestartNotes
from carapace.triggers.wakes import Wakes
from carapace.value import Value

if TYPE_CHECKING:  # a gateway without plugins does not load them
    from carapace.plugins.guest import Guest
    from carapace.plugins.package.manifest import Manifest
    from carapace.plugins.package.report import PluginReport, Plugins

__all__ = ["Call", "Catalogue", "Context", "PluginHouse", "Restarting", "Services"]


class Call(Protocol):
    """The request being served, as the server hands it over."""

    @property
    def caller(self) -> Caller:
        """Who asks."""
        ...

    @property
    def conn_id(self) -> ConnId:
        """The connection it came in on."""
        ...

    @property
    def client(self) -> ClientInfo | None:
        """What the client says about itself; for display only."""
        ...

    def accept(self, payload: Any) -> None:
        """Send a first answer; the handler's result becomes the second (`agent` only)."""
        ...


class Catalogue(Protocol):
    """Where the list of models comes from."""

    def catalogue(self) -> list[ModelInfo]:
        """All models of all configured providers."""
        ...


class Restarting(Protocol):
    """The way to a restart of the gateway."""

    def schedule(self, reason: str, delay_ms: int | None = None) -> RestartReport:
        """Restart after `delay_ms` milliseconds; what the client is told of it."""
        ...


class PluginHouse(Protocol):
    """Plugins, as methods reach them; built when the first one is asked for."""

    async def list(self) -> Plugins:
        """See `carapace.plugins.package.installer.Installer`, here and below."""
        ...

    async def install(self, source: str, *, accept: bool, by: str) -> PluginReport:
        """See there."""
        ...

    async def upgrade(
        self, plugin_id: str, source: str | None, *, accept: bool, by: str
    ) -> PluginReport:
        """See there."""
        ...

    async def consent(
        self, plugin_id: str, digest: str, *, accept: bool, by: str
    ) -> PluginReport | None:
        """See there."""
        ...

    async def switch(self, plugin_id: str, *, enabled: bool, by: str) -> PluginReport:
        """See there."""
        ...

    async def rollback(
        self, plugin_id: str, version: str | None, *, accept: bool, by: str
    ) -> PluginReport:
        """See there."""
        ...

    async def remove(self, plugin_id: str, *, by: str) -> None:
        """See there; what the plugin kept is deleted as well."""
        ...

    def guest(self, plugin_id: str, role: str) -> Guest:
        """A running plugin that has this role.

        Raises:
            Refused: If there is none.
        """
        ...

    def manifest(self, plugin_id: str, role: str) -> Manifest:
        """Its manifest; as `guest`."""
        ...


class Services(Value, frozen=True):
    """The rooms below, as methods see them."""

    config: ConfigService
    config_schema: Callable[[], Any]
    sessions: Sessions
    agent: AgentService
    profiles: Profiles
    policy: Callable[[], SessionPolicy]
    models: Catalogue
    presence: Presence
    devices: Devices
    nodes: Nodes
    node_events: NodeEvents
    health: HealthCache
    logs: LogTail
    access: AccessService
    intake: IntakeService
    inbox: Inbox
    outbox: Outbox
    accounts: Accounts
    render: Callable[[str, Target], list[str]]
    fetch_file: Callable[[str, Target], Awaitable[str]]
    plugins: PluginHouse
    restarts: Restarting
    restart_notes: RestartNotes
    onboarding: Onboarding
    skills: Skills
    spending: Spending
    speech: Speech
    web_login: WebLogin
    approvals: ApprovalsBook
    pending_approvals: PendingApprovals
    cron: CronService
    heartbeats: Heartbeats
    wakes: Wakes
    presence_changed: Callable[[], None]
    publish: Publish
    clock: Clock


class Context(Value, frozen=True):
    """One handler call."""

    services: Services
    call: Call

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self.call.caller
