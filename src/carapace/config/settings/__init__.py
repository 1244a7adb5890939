"""The shape of the settings, one file for each room, in the key names of the Node gateway.

Each field says what it means, its bounds, whether it is a secret and whether a change takes
effect at once (`live`) or after a restart. The reference page and the JSON Schema are made
from these structs; there is no second list.
"""

from __future__ import annotations

from carapace.config.settings.agents import AgentDefaults, AgentEntry, AgentsSettings
from carapace.config.settings.channels import ChannelSettings, ChannelsSettings
from carapace.config.settings.commands import CommandsSettings
from carapace.config.settings.gateway import AuthSettings, GatewaySettings, LimitSettings
from carapace.config.settings.logging import LoggingSettings
from carapace.config.settings.messages import MessagesSettings
from carapace.config.settings.metrics import MetricsSettings
from carapace.config.settings.models import ModelSettings, ModelsSettings, ProviderSettings
from carapace.config.settings.root import Settings
from carapace.config.settings.session import SessionSettings
from carapace.config.settings.tools import MemorySettings, ToolsSettings

__all__ = [
    "AgentDefaults",
    "AgentEntry",
    "AgentsSettings",
    "AuthSettings",
    "ChannelSettings",
    "ChannelsSettings",
    "CommandsSettings",
    "GatewaySettings",
    "LimitSettings",
    "LoggingSettings",
    "MemorySettings",
    "MessagesSettings",
    "MetricsSettings",
    "ModelSettings",
    "ModelsSettings",
    "ProviderSettings",
    "SessionSettings",
    "Settings",
    "ToolsSettings",
]
