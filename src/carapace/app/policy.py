"""What sessions and tools take from the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from carapace.agent.profiles import Profiles
from carapace.agent.providers.ports import ProviderError
from carapace.agent.providers.registry import ProviderRegistry
from carapace.agent.tools.policy import PROFILES, SUBAGENT_DENY, Layer, Profile, ToolLayers
from carapace.config.settings import Settings, ToolsSettings
from carapace.config.settings.agents import AgentEntry
from carapace.config.settings.channels import (
    AccountSettings,
    ChannelSettings,
    ChannelsSettings,
    PluginChannelSettings,
    WebhookSettings,
)
from carapace.config.settings.tool_lists import AgentTools, ToolList
from carapace.errors import Refused
from carapace.sessions.types import ModelRef, SessionPolicy

__all__ = ["SessionPolicies", "tool_layers"]

_Channel = ChannelSettings | WebhookSettings | PluginChannelSettings


def tool_layers(settings: Settings) -> ToolLayers:
    """Which tools exist for whom, as the lists of the configuration say."""
    tools = settings.tools
    own = {entry.id.lower(): entry for entry in settings.agents.list}
    sub = tools.subagents.tools
    return ToolLayers(
        profile=_profile("tools.profile", tools.profile),
        everywhere=Layer("tools", allow=tools.allow, deny=(*tools.deny, *_switched_off(tools))),
        agent_profiles=_agent_profiles(own),
        agents={
            agent_id: _agent_layer(f"agents.list[{agent_id}].tools", entry.tools)
            for agent_id, entry in own.items()
            if entry.tools is not None
        },
        providers=dict(_providers(tools, own)),
        channels={
            name.lower(): _layer(f"tools.byChannel.{name}", one)
            for name, one in tools.by_channel.items()
        },
        groups=dict(_groups(settings.channels)),
        subagents=Layer("tools.subagents.tools", allow=sub.allow, deny=(*SUBAGENT_DENY, *sub.deny)),
    )


def _switched_off(tools: ToolsSettings) -> Iterator[str]:
    """Tools with a switch of their own that is off."""
    if not tools.web.fetch.enabled:
        yield "web_fetch"
    if not tools.web.search.enabled:
        yield "web_search"


def _layer(label: str, names: ToolList) -> Layer:
    return Layer(label, allow=names.allow, deny=names.deny)


def _agent_layer(label: str, tools: AgentTools) -> Layer:
    """An agent whose commands are all denied is offered none."""
    commands = ("exec", "process") if tools.exec.security == "deny" else ()
    return Layer(label, allow=tools.allow, deny=(*tools.deny, *commands))


def _profile(label: str, name: Profile | None) -> Layer | None:
    return None if name is None else Layer(label, allow=PROFILES[name])


def _agent_profiles(own: dict[str, AgentEntry]) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    for agent_id, entry in own.items():
        name = entry.tools.profile if entry.tools is not None else None
        layer = _profile(f"agents.list[{agent_id}].tools.profile", name)
        if layer is not None:
            found[agent_id] = layer
    return found


def _providers(
    tools: ToolsSettings, own: dict[str, AgentEntry]
) -> Iterator[tuple[tuple[str, str], tuple[Layer, ...]]]:
    """Every provider or model with a list, for all agents and for one."""
    entries = [("", "tools.byProvider", tools.by_provider)]
    entries += [
        (agent_id, f"agents.list[{agent_id}].tools.byProvider", entry.tools.by_provider)
        for agent_id, entry in own.items()
        if entry.tools is not None
    ]
    for agent_id, key, providers in entries:
        for name, one in providers.items():
            label = f"{key}.{name}"
            ready = _profile(f"{label}.profile", one.profile)
            layers = (_layer(label, one), *((ready,) if ready is not None else ()))
            yield (agent_id, name.strip().lower()), layers


def _groups(channels: ChannelsSettings) -> Iterator[tuple[tuple[str, str, str], Layer]]:
    """Every group with a list, by service, account and the group's id in lower case.

    Session keys are in lower case, and it is by them that a conversation is known later on.
    """
    all_channels: dict[str, _Channel] = {
        "webchat": channels.webchat,
        "webhook": channels.webhook,
        **channels.plugins,
    }
    for name, channel in all_channels.items():
        key = f"channels.{name}"
        yield from _groups_of((name, ""), key, channel)
        for account, settings in channel.accounts.items():
            yield from _groups_of((name, account), f"{key}.accounts.{account}", settings)


def _groups_of(
    of: tuple[str, str], key: str, settings: AccountSettings
) -> Iterator[tuple[tuple[str, str, str], Layer]]:
    for group, one in (settings.groups or {}).items():
        if one.tools is not None:
            yield (*of, group.lower()), _layer(f"{key}.groups.{group}.tools", one.tools)


class SessionPolicies:
    """Makes the policy anew when the settings or the models changed, not at every call."""

    def __init__(
        self, settings: Callable[[], Settings], profiles: Profiles, models: ProviderRegistry
    ) -> None:
        self._settings = settings
        self._profiles = profiles
        self._models = models
        self._made: SessionPolicy | None = None

    def __call__(self) -> SessionPolicy:
        """The policy as it is now."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def forget(self) -> None:
        """Something it depends on changed."""
        self._made = None

    def _make(self) -> SessionPolicy:
        settings = self._settings()
        model, context_tokens = self._default_model()
        return SessionPolicy(
            agent_id=self._profiles.default_id,
            main_key=settings.session.main_key,
            one_for_all=settings.session.scope == "global",
            model=model,
            context_tokens=context_tokens,
            thinking_level=settings.agents.defaults.thinking_default or "off",
            send_policy=settings.session.send_policy,
        )

    def _default_model(self) -> tuple[ModelRef | None, int | None]:
        try:
            target = self._models.resolve(None, self._profiles.default_id)[0]
        except (ProviderError, Refused):
            return None, None
        return ModelRef(target.provider_name, target.model_id), target.context_tokens
