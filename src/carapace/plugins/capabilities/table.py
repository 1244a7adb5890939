"""From a manifest to the interfaces that it opens, bound to the gateway's services."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from carapace.clock import Clock
from carapace.errors import Refused
from carapace.net.allow import AllowRule
from carapace.net.client import Egress
from carapace.plugins.capabilities.agent import AgentCapability
from carapace.plugins.capabilities.config import ConfigCapability
from carapace.plugins.capabilities.credentials import CredentialsCapability
from carapace.plugins.capabilities.crypto import CryptoCapability
from carapace.plugins.capabilities.http import HttpCapability
from carapace.plugins.capabilities.inbound import InboundCapability
from carapace.plugins.capabilities.kv import KvCapability
from carapace.plugins.capabilities.log import LogCapability
from carapace.plugins.capabilities.media import MediaCapability
from carapace.plugins.capabilities.outbound.proxies import AccountProxies, ProxiesNow
from carapace.plugins.capabilities.outbound.requester import Requester
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.poll import PollCapability
from carapace.plugins.capabilities.ports import (
    InboundDoor,
    MediaDoor,
    PluginConfig,
    SecretHolder,
    ServiceEvents,
    StatusBoard,
    TurnStarter,
)
from carapace.plugins.capabilities.secrets import ConfiguredSecrets, PluginSecrets
from carapace.plugins.capabilities.status import StatusCapability
from carapace.plugins.capabilities.timers import TimersCapability
from carapace.plugins.capabilities.websocket import WebSocketCapability
from carapace.plugins.package.manifest import Manifest
from carapace.plugins.package.permissions import InvalidPermission, parse_http
from carapace.plugins.ports import CapabilityCall
from carapace.store.ports import Database
from carapace.value import Value

__all__ = ["Capabilities", "CapabilityServices", "CapabilitySettings", "build"]


class CapabilitySettings(Value, frozen=True, kw_only=True):
    """What the operator says about one plugin.

    Attributes:
        config: Its part of the configuration, as it is at each moment.
        http: Requests it may make beside those of its manifest, written like those
            (`GET,POST https://chat.example/**`). An exact host among these may be in our own
            network.
        proxies: The proxy of each of its accounts, as it is at each moment.
    """

    config: PluginConfig
    http: tuple[str, ...] = ()
    proxies: ProxiesNow = dict


class CapabilityServices(Value, frozen=True, kw_only=True):
    """The house, as capabilities need it.

    Attributes:
        database: Where entries, alarms and held requests are.
        clock: The time.
        egress: The way out.
        status: Where people see how accounts are.
        events: The plugin's service; needed by timers, poll and websocket.
        media: The media store.
        inbound: Where a chat service's events go.
        turns: Where turns begin.
        secrets: Has the values of the manifest's credentials; None: the plugin's configuration
            has them, by name, and by name in each of its `accounts`.
        luck: Random numbers of [0, 1).
    """

    database: Database
    clock: Clock
    egress: Egress
    status: StatusBoard
    events: ServiceEvents | None = None
    media: MediaDoor | None = None
    inbound: InboundDoor | None = None
    turns: TurnStarter | None = None
    secrets: SecretHolder | None = None
    luck: Callable[[], float] = random.random


class Capabilities:
    """The open interfaces of one plugin, and what the gateway holds for it. Made by `build`.

    Attributes:
        calls: By import interface.
    """

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        calls = {name: make(plan) for name, make in _MAKERS.items() if name in plan.interfaces}
        self.calls: Mapping[str, CapabilityCall] = calls

    async def resume(self) -> None:
        """Ring alarms and hold requests again, also those from before a restart.

        Call it once the plugin's service runs; again is harmless.

        Raises:
            Failed: If the database does not answer.
        """
        if self._plan.timers is not None:
            await self._plan.timers.resume()
        if self._plan.polls is not None:
            await self._plan.polls.resume()

    async def aclose(self) -> None:
        """Let go of alarms, held requests and connections; what is written down stays."""
        for held in (self._plan.websockets, self._plan.polls, self._plan.timers):
            if held is not None:
                await held.aclose()
        await self._plan.requester.aclose()


class _Plan:
    """What the interfaces of one plugin share."""

    def __init__(
        self, manifest: Manifest, settings: CapabilitySettings, services: CapabilityServices
    ) -> None:
        self.plugin_id = manifest.id
        self.permissions = manifest.permissions
        self.interfaces = manifest.permissions.interfaces()
        self.settings = settings
        self.services = services
        self.names = frozenset(manifest.permissions.credentials)
        holder = services.secrets or ConfiguredSecrets(self.names, settings.config)
        self.secrets = PluginSecrets(self.names, holder)
        self.rules = OutboundRules(
            plugin_id=manifest.id,
            manifest=manifest.permissions.http_rules(),
            operator=_operator_rules(manifest.id, settings.http),
        )
        self.media = services.media if manifest.permissions.media else None
        self.proxies = AccountProxies(settings.proxies, where=f"channels.{manifest.id}")
        self.requester = Requester(
            self.rules, self.secrets, services.egress, proxies=self.proxies, media=self.media
        )
        self.timers: TimersCapability | None = None
        self.polls: PollCapability | None = None
        self.websockets: WebSocketCapability | None = None


def build(
    manifest: Manifest, settings: CapabilitySettings, services: CapabilityServices
) -> Capabilities:
    """The interfaces that a manifest opens, and no others.

    Args:
        manifest: Verified and agreed to.
        settings: The operator's.
        services: The house.

    Raises:
        Refused: If a rule of the operator cannot be read, or the house lacks a service that
            the manifest needs.
    """
    plan = _Plan(manifest, settings, services)
    for name, needed in (
        ("media", services.media),
        ("inbound", services.inbound),
        ("agent", services.turns),
        ("timers", services.events),
        ("poll", services.events),
        ("websocket", services.events),
    ):
        if name in plan.interfaces and needed is None:
            raise Refused(
                f"the plugin {manifest.id} needs {name}, which this gateway does not have here: "
                "update the gateway, or disable the plugin"
            )
    return Capabilities(plan)


def _operator_rules(plugin_id: str, texts: tuple[str, ...]) -> tuple[AllowRule, ...]:
    try:
        return tuple(parse_http(text) for text in texts)
    except InvalidPermission as error:
        raise Refused(
            f"a rule for requests of the plugin {plugin_id} cannot be used: {error}. Correct "
            f"plugins.entries.{plugin_id}.http"
        ) from error


def _config(plan: _Plan) -> CapabilityCall:
    return ConfigCapability(plan.settings.config, plan.secrets, plan.names).call


def _kv(plan: _Plan) -> CapabilityCall:
    return KvCapability(
        plan.plugin_id,
        plan.services.database,
        clock=plan.services.clock,
        max_bytes=plan.permissions.kv_max_bytes,
    ).call


def _media(plan: _Plan) -> CapabilityCall:
    assert plan.media is not None  # noqa: S101 - `build` has checked it
    return MediaCapability(plan.rules, plan.proxies, plan.media).call


def _inbound(plan: _Plan) -> CapabilityCall:
    assert plan.services.inbound is not None  # noqa: S101 - `build` has checked it
    return InboundCapability(plan.plugin_id, plan.services.inbound).call


def _agent(plan: _Plan) -> CapabilityCall:
    assert plan.services.turns is not None  # noqa: S101 - `build` has checked it
    return AgentCapability(plan.plugin_id, plan.services.turns).call


def _crypto(plan: _Plan) -> CapabilityCall:
    return CryptoCapability(
        plan.plugin_id, plan.requester, clock=plan.services.clock, media=plan.media
    ).call


def _timers(plan: _Plan) -> CapabilityCall:
    assert plan.services.events is not None  # noqa: S101 - `build` has checked it
    plan.timers = TimersCapability(
        plan.plugin_id,
        plan.services.database,
        clock=plan.services.clock,
        events=plan.services.events,
    )
    return plan.timers.call


def _poll(plan: _Plan) -> CapabilityCall:
    assert plan.services.events is not None  # noqa: S101 - `build` has checked it
    plan.polls = PollCapability(
        plan.plugin_id,
        plan.services.database,
        clock=plan.services.clock,
        requester=plan.requester,
        events=plan.services.events,
        luck=plan.services.luck,
    )
    return plan.polls.call


def _websocket(plan: _Plan) -> CapabilityCall:
    assert plan.services.events is not None  # noqa: S101 - `build` has checked it
    rules = OutboundRules(
        plugin_id=plan.plugin_id,
        manifest=plan.permissions.websocket_rules(),
        operator=plan.rules.operator,
    )
    plan.websockets = WebSocketCapability(
        rules,
        plan.secrets,
        plan.services.egress,
        proxies=plan.proxies,
        clock=plan.services.clock,
        events=plan.services.events,
    )
    return plan.websockets.call


_MAKERS: Final[dict[str, Callable[[_Plan], CapabilityCall]]] = {
    "log": lambda plan: LogCapability(plan.plugin_id).call,
    "config": _config,
    "status": lambda plan: (
        StatusCapability(plan.plugin_id, plan.services.status, plan.secrets).call
    ),
    "credentials": lambda plan: CredentialsCapability(plan.secrets).call,
    "kv": _kv,
    "http": lambda plan: HttpCapability(plan.requester).call,
    "media": _media,
    "inbound": _inbound,
    "timers": _timers,
    "poll": _poll,
    "websocket": _websocket,
    "crypto": _crypto,
    "agent": _agent,
}
