"""What plugins may reach of the other rooms: their settings, the inbox, the agent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from carapace.agent.service import Accepted
from carapace.agent.types import Submission
from carapace.channels.accounts.service import own_settings
from carapace.channels.accounts.settings import account_names, account_settings
from carapace.channels.plugin.channel import PluginChannel
from carapace.config.settings import Settings
from carapace.config.settings.channels import PluginAccountSettings, PluginChannelSettings
from carapace.config.settings.net import ProxySettings
from carapace.errors import Failed, Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.plugins.capabilities.inbound_wire import InboundEvent, InboundStatus
from carapace.provenance import Provenance

__all__ = ["ChannelDoor", "OwnConfig", "PluginTurns", "Runs"]

_RUN_IDS: Final = uuid.UUID("5a0f9a8e-3f3c-4c0a-9d5e-6f0a1b7c2d3e")
"""Namespace of run ids, so that one idempotency key of a plugin is one run."""

_LANE: Final = "plugin"
_ACCOUNTS: Final = "accounts"


class OwnConfig:
    """A plugin's own part of the configuration; satisfies `PluginConfig`.

    `plugins.entries.<id>.config`, and of a channel what stands in `channels.<id>`: there each
    running account is under `accounts`, with all that holds for it.

    Args:
        plugin_id: Whose.
        settings: As they are now.
    """

    def __init__(self, plugin_id: str, settings: Callable[[], Settings]) -> None:
        self._plugin_id = plugin_id
        self._settings = settings

    def settings(self) -> Mapping[str, Any]:
        """Plain values, secrets among them: for the capabilities, which hide them."""
        settings = self._settings()
        entry = settings.plugins.entries.get(self._plugin_id)
        found = dict(entry.config) if entry is not None else {}
        branch = settings.channels.plugins.get(self._plugin_id)
        if branch is None:
            return found
        accounts = {name: own_settings(one) for name, one in _account_settings(settings, branch)}
        return {**found, **own_settings(branch), _ACCOUNTS: accounts}

    def proxies(self) -> Mapping[str, ProxySettings | None]:
        """The proxy of each account of its channel; None of one that has none of its own."""
        settings = self._settings()
        branch = settings.channels.plugins.get(self._plugin_id)
        if branch is None:
            return {}
        return {name: one.proxy for name, one in _account_settings(settings, branch)}

    def secrets(self, names: frozenset[str]) -> list[str]:
        """Values of these names, wherever they stand, for the redactor of the log."""
        settings = self.settings()
        accounts: Mapping[str, Mapping[str, Any]] = settings.get(_ACCOUNTS, {})
        places = [settings, *accounts.values()]
        values = [place.get(name) for place in places for name in names]
        return [value for value in values if isinstance(value, str) and value]


def _account_settings(
    settings: Settings, branch: PluginChannelSettings
) -> list[tuple[str, PluginAccountSettings]]:
    """What holds for each account of a plugin's channel."""
    named = (
        (name, account_settings(settings.channels.defaults, branch, name))
        for name in account_names(branch)
    )
    return [(name, one) for name, one in named if isinstance(one, PluginAccountSettings)]


class ChannelDoor:
    """The channels of running plugins; satisfies `InboundDoor` and `StatusBoard`."""

    def __init__(self) -> None:
        self._channels: dict[str, PluginChannel] = {}

    def add(self, channel: PluginChannel) -> None:
        """Take what its plugin hands in, from now on."""
        self._channels[channel.info.id] = channel

    def remove(self, plugin_id: str) -> None:
        """Take no more of it."""
        self._channels.pop(plugin_id, None)

    async def deliver(self, plugin_id: str, event: InboundEvent) -> InboundStatus:
        """Hand it to the plugin's own channel, and to no other.

        Raises:
            Refused: If there is none, or its account does not run.
            Failed: If it could not be written down; always to be tried again, since the id of a
                message makes that harmless, and a plugin that is told otherwise lets it go.
        """
        channel = self._channels.get(plugin_id)
        if channel is None:
            raise Refused(
                f"The plugin {plugin_id} has no channel that runs.",
                code="UNAVAILABLE",
                retryable=True,
            )
        try:
            return (await channel.receive(event)).status.value
        except Failed as error:
            raise Failed(
                error.message, retryable=True, retry_after_ms=error.retry_after_ms
            ) from error

    def set(self, plugin_id: str, account: str, *, state: str, detail: str) -> None:
        """Show how an account is; of a plugin without a channel there is nothing to show."""
        channel = self._channels.get(plugin_id)
        if channel is not None:
            channel.report(account, state, detail)


class Runs(Protocol):
    """The agent, as plugins reach it."""

    async def accept(self, submission: Submission) -> Accepted:
        """See `AgentService.accept`."""
        ...


class PluginTurns:
    """Turns that a plugin begins; satisfies `TurnStarter`.

    A plugin's sessions are its own: whatever key it names lies below `plugin:<id>:`. So its words
    never stand in a conversation that a person reads and goes on with.

    Args:
        plugin_id: Whose.
        runs: The agent.
        to_key: Makes a session key canonical.
        agent_id: Who answers.
    """

    def __init__(
        self,
        plugin_id: str,
        runs: Runs,
        *,
        to_key: Callable[[str], SessionKey],
        agent_id: Callable[[], AgentId],
    ) -> None:
        self._plugin_id = plugin_id
        self._runs = runs
        self._to_key = to_key
        self._agent_id = agent_id

    async def start(
        self, session_key: str, text: str, *, idempotency_key: str, provenance: Provenance
    ) -> RunId:
        """Begin a turn; on disk when this returns.

        Raises:
            Refused: If it cannot be taken.
            Failed: If it could not be written down.
        """
        key = self._to_key(f"plugin:{self._plugin_id}:{session_key}")
        run_id = RunId(str(uuid.uuid5(_RUN_IDS, idempotency_key)))
        await self._runs.accept(
            Submission(
                run_id=run_id,
                session_key=key,
                shown_key=key,
                agent_id=self._agent_id(),
                message=text,
                extra_system_prompt=(
                    f"This turn was started by the plugin {self._plugin_id} and not by your user. "
                    "Deal with what it says as your user would want."
                ),
                lane=_LANE,
                provenance=provenance,
            )
        )
        return run_id
