"""One plugin between the host and the rooms: what it brings, put in place and taken out again.

First it is started and asked, which nobody sees; then the version before is taken out, and then
it is put in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from carapace.agent.tools.plugin_tools import plugin_tools
from carapace.agent.tools.registry import ToolRow
from carapace.agent.tools.runner import ToolRunner
from carapace.app.plugin_doors import ChannelDoor, OwnConfig, PluginTurns
from carapace.channels.accounts.service import Accounts
from carapace.channels.plugin.channel import PluginChannel
from carapace.clock import Clock
from carapace.config.secret_names import SECRET_ENDINGS, names_secret
from carapace.config.settings import Settings
from carapace.config.settings.plugins import PluginEntry
from carapace.errors import Refused
from carapace.hooks.bus import HookBus
from carapace.net.client import Egress
from carapace.plugins.capabilities.ports import MediaDoor
from carapace.plugins.capabilities.table import (
    Capabilities,
    CapabilityServices,
    CapabilitySettings,
    build,
)
from carapace.plugins.guest import Guest, said
from carapace.plugins.hook_points import attach_hooks
from carapace.plugins.package.installed import InstalledPlugin
from carapace.plugins.package.manifest import Manifest
from carapace.plugins.ports import Grants, LoadedPlugin, PluginHost, PluginLimits
from carapace.plugins.service import PluginService
from carapace.store.ports import Database
from carapace.telemetry.log import get_logger
from carapace.triggers.plugin_webhooks import PluginWebhooks
from carapace.value import Value

__all__ = ["PluginBridge", "PluginRooms", "check_manifest"]

_MIB: Final = 1024 * 1024
_BUILT_IN: Final = frozenset({"defaults", "webchat", "webhook"})
_log = get_logger(__name__)


class PluginRooms(Value, frozen=True, kw_only=True):
    """The house, as bridges need it.

    Attributes:
        settings: As they are now.
        host: Runs plugins.
        database: For what capabilities keep.
        clock: The time.
        egress: The way out.
        media: The media store.
        tools: Where tools are offered.
        accounts: Where channels are known.
        channels: Takes what channels hand in.
        webhooks: Where requests come in.
        hook_bus: The hook points.
        turns: Makes a plugin's way to the agent.
        add_secret: Told of each secret, so that no log shows it.
        on_change: Told when a plugin begins or ceases to be well.
    """

    settings: Callable[[], Settings]
    host: PluginHost
    database: Database
    clock: Clock
    egress: Egress
    media: MediaDoor
    tools: ToolRunner
    accounts: Accounts
    channels: ChannelDoor
    webhooks: PluginWebhooks
    hook_bus: HookBus
    turns: Callable[[str], PluginTurns]
    add_secret: Callable[[str], None]
    on_change: Callable[[], None]


class PluginBridge:
    """What one plugin brings: `start`, then `attach`; `close` takes it out.

    Args:
        installed: Verified, and agreed to.
        rooms: The house.

    Raises:
        Refused: If its manifest contradicts the house; see `check_manifest`.
    """

    def __init__(self, installed: InstalledPlugin, rooms: PluginRooms) -> None:
        manifest = installed.manifest
        check_manifest(manifest)
        self.installed = installed
        self.guest = Guest(rooms.host, manifest.id)
        self._rooms = rooms
        self._config = OwnConfig(manifest.id, rooms.settings)
        self._service = self._made_service() if "service" in manifest.roles else None
        self._capabilities = self._made_capabilities()
        self._channel: PluginChannel | None = None
        self._tools: tuple[ToolRow, ...] = ()
        self._detach_hooks: Callable[[], None] | None = None
        self._shut_webhooks: Callable[[], None] | None = None
        self._aliases: tuple[str, ...] = ()
        self._alias_troubles: tuple[str, ...] = ()

    @property
    def manifest(self) -> Manifest:
        """What it is."""
        return self.installed.manifest

    async def start(self) -> None:
        """Start the plugin, in the place of any other version of it that runs.

        Raises:
            PluginUnavailable: If it does not start; the other version still runs then.
        """
        self.apply()
        await self._rooms.host.start(self._loaded())

    async def ask(self) -> None:
        """What it brings, before anything of it can be seen.

        Raises:
            GatewayError: If that makes no sense.
        """
        roles, permissions = self.manifest.roles, self.manifest.permissions
        _check_identity(await self.guest.call("manifest", "describe"), self.manifest)
        if "channel" in roles:
            self._channel = await PluginChannel.describe(
                self.guest,
                credentials=frozenset(permissions.credentials),
                look=self.manifest.channel,
            )
        if "tool" in roles:
            self._tools = await plugin_tools(
                self.guest, call_timeout_s=float(self.manifest.limits.call_timeout_s)
            )

    async def attach(self) -> None:
        """Put it in place.

        Raises:
            GatewayError: If something is in the way; `close` then undoes the rest.
        """
        rooms = self._rooms
        if "hooks" in self.manifest.roles:
            self._detach_hooks = await attach_hooks(
                self.guest, rooms.hook_bus, granted=self.manifest.permissions.hooks
            )
        rooms.tools.add(*self._tools)
        if "webhook" in self.manifest.roles:
            self._mount()
        if self._service is not None:
            self._service.begin()
        if self._channel is not None:
            rooms.channels.add(self._channel)
            rooms.accounts.add(self._channel)
            rooms.accounts.apply(rooms.settings().channels)
        await self._capabilities.resume()

    async def close(self) -> None:
        """Take out everything; the plugin itself still runs."""
        rooms, plugin_id = self._rooms, self.manifest.id
        if self._shut_webhooks is not None:
            self._shut_webhooks()
            self._shut_webhooks = None
        if self._detach_hooks is not None:
            self._detach_hooks()
            self._detach_hooks = None
        rooms.tools.remove(*(row.name for row in self._tools))
        self._tools = ()
        if self._channel is not None:
            await rooms.accounts.remove(plugin_id)
            rooms.channels.remove(plugin_id)
            self._channel = None
        if self._service is not None:
            await self._service.aclose()
        await self._capabilities.aclose()

    def apply(self) -> None:
        """Follow changed settings: secrets, and addresses of its webhook."""
        for secret in self._config.secrets(frozenset(self.manifest.permissions.credentials)):
            self._rooms.add_secret(secret)
        if self._shut_webhooks is not None and self._aliases != self._wanted_aliases():
            self._shut_webhooks()
            self._mount()

    def troubles(self) -> tuple[str, ...]:
        """What is not well with it, for people."""
        found = [self.guest.trouble(), None if self._service is None else self._service.trouble()]
        return (*(one for one in found if one is not None), *self._alias_troubles)

    def _made_service(self) -> PluginService:
        return PluginService(self.guest, clock=self._rooms.clock, on_change=self._rooms.on_change)

    def _made_capabilities(self) -> Capabilities:
        rooms = self._rooms
        return build(
            self.manifest,
            CapabilitySettings(
                config=self._config, http=self._entry().http, proxies=self._config.proxies
            ),
            CapabilityServices(
                database=rooms.database,
                clock=rooms.clock,
                egress=rooms.egress,
                status=rooms.channels,
                events=self._service,
                media=rooms.media,
                inbound=rooms.channels,
                turns=rooms.turns(self.manifest.id),
            ),
        )

    def _loaded(self) -> LoadedPlugin:
        manifest, limits = self.manifest, self.manifest.limits
        return LoadedPlugin(
            id=manifest.id,
            version=manifest.version,
            wasm=self.installed.wasm,
            wasm_sha256=self.installed.wasm_sha256,
            roles=frozenset(manifest.roles),
            grants=Grants(interfaces=manifest.permissions.interfaces()),
            capabilities=self._capabilities.calls,
            limits=PluginLimits(
                memory_bytes=limits.memory_mib * _MIB, call_timeout_s=float(limits.call_timeout_s)
            ),
        )

    def _mount(self) -> None:
        self._aliases = self._wanted_aliases()
        self._shut_webhooks, self._alias_troubles = self._rooms.webhooks.open(
            self.guest,
            call_timeout_s=float(self.manifest.limits.call_timeout_s),
            aliases=self._aliases,
        )
        for trouble in self._alias_troubles:
            _log.warning("an address of a plugin is not served", reason=trouble)

    def _wanted_aliases(self) -> tuple[str, ...]:
        return self._entry().webhook_aliases

    def _entry(self) -> PluginEntry:
        return self._rooms.settings().plugins.entries.get(self.manifest.id, PluginEntry())


def check_manifest(manifest: Manifest) -> None:
    """Whether the house can take such a plugin in.

    Raises:
        Refused: If its channel would be a built-in one, or the name of a secret does not say
            that it is one: such a value would show in `config.get`.
    """
    if "channel" in manifest.roles and manifest.id in _BUILT_IN:
        raise Refused(
            f"A plugin with the id {manifest.id} cannot be a channel: that name is the gateway's."
        )
    for name in manifest.permissions.credentials:
        if not names_secret(name):
            raise Refused(
                f"The plugin {manifest.id} calls a secret {name!r}. Its author has to give it a "
                f"name that ends in one of: {', '.join(SECRET_ENDINGS)}. Otherwise its value "
                "would be shown with the other settings."
            )


class _Info(msgspec.Struct, frozen=True):
    """`manifest.info`."""

    id: str
    version: str


def _check_identity(value: Any, manifest: Manifest) -> None:
    """The component was built as what its manifest says.

    Raises:
        Refused: If it says that it is something else.
    """
    try:
        info = msgspec.convert(value, _Info)
    except msgspec.ValidationError as error:
        raise Refused(f"The plugin {manifest.id} does not say what it is: {error}.") from None
    if (info.id, info.version) != (manifest.id, manifest.version):
        raise Refused(
            f"The plugin {manifest.id} {manifest.version} says that it is {said(info.id)} "
            f"{said(info.version)}. Its author has to build it anew."
        )
