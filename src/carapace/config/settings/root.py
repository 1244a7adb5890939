"""The whole tree; each room is given its own branch of it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.config.settings.agents import AgentsSettings
from carapace.config.settings.canvas_host import CanvasHostSettings
from carapace.config.settings.channels import ChannelsSettings
from carapace.config.settings.commands import CommandsSettings
from carapace.config.settings.cron import CronSettings
from carapace.config.settings.discovery import DiscoverySettings
from carapace.config.settings.environment import EnvSettings
from carapace.config.settings.gateway import GatewaySettings
from carapace.config.settings.hooks import HooksSettings
from carapace.config.settings.logging import LoggingSettings
from carapace.config.settings.mcp import McpSettings
from carapace.config.settings.media import MediaSettings
from carapace.config.settings.messages import MessagesSettings
from carapace.config.settings.metrics import MetricsSettings
from carapace.config.settings.models import ModelsSettings
from carapace.config.settings.net import NetSettings
from carapace.config.settings.plugins import PluginsSettings
from carapace.config.settings.session import SessionSettings
from carapace.config.settings.setting import Section, setting
from carapace.config.settings.skills import SkillsSettings
from carapace.config.settings.tools import MemorySettings, ToolsSettings

__all__ = ["Settings"]


class Settings(Section, frozen=True):
    """All settings. `Settings()` is the safe default: loopback, authentication on."""

    gateway: Annotated[GatewaySettings, setting("Where it listens and to whom.")] = msgspec.field(
        default_factory=GatewaySettings
    )
    models: Annotated[ModelsSettings, setting("The sources of language models.")] = msgspec.field(
        default_factory=ModelsSettings
    )
    agents: Annotated[AgentsSettings, setting("The assistants.")] = msgspec.field(
        default_factory=AgentsSettings
    )
    session: Annotated[SessionSettings, setting("How conversations are told apart.")] = (
        msgspec.field(default_factory=SessionSettings)
    )
    tools: Annotated[ToolsSettings, setting("What agents may do.")] = msgspec.field(
        default_factory=ToolsSettings
    )
    skills: Annotated[SkillsSettings, setting("Guides to kinds of work.")] = msgspec.field(
        default_factory=SkillsSettings
    )
    mcp: Annotated[McpSettings, setting("Servers with tools for agents.")] = msgspec.field(
        default_factory=McpSettings
    )
    memory: Annotated[MemorySettings, setting("What agents remember.")] = msgspec.field(
        default_factory=MemorySettings
    )
    channels: Annotated[ChannelsSettings, setting("The chat services.")] = msgspec.field(
        default_factory=ChannelsSettings
    )
    messages: Annotated[MessagesSettings, setting("Messages of every chat service.")] = (
        msgspec.field(default_factory=MessagesSettings)
    )
    media: Annotated[MediaSettings, setting("Files that people and agents send.")] = msgspec.field(
        default_factory=MediaSettings
    )
    commands: Annotated[CommandsSettings, setting("Commands typed in chats.")] = msgspec.field(
        default_factory=CommandsSettings
    )
    canvas_host: Annotated[CanvasHostSettings, setting("Pages for the apps' canvas.")] = (
        msgspec.field(default_factory=CanvasHostSettings)
    )
    plugins: Annotated[PluginsSettings, setting("Code of other people.")] = msgspec.field(
        default_factory=PluginsSettings
    )
    hooks: Annotated[HooksSettings, setting("Messages from other programs.")] = msgspec.field(
        default_factory=HooksSettings
    )
    cron: Annotated[CronSettings, setting("Jobs that start by the clock.")] = msgspec.field(
        default_factory=CronSettings
    )
    logging: Annotated[LoggingSettings, setting("The gateway's own log.")] = msgspec.field(
        default_factory=LoggingSettings
    )
    metrics: Annotated[MetricsSettings, setting("The listener for Prometheus.")] = msgspec.field(
        default_factory=MetricsSettings
    )
    net: Annotated[NetSettings, setting("How it reaches the outside.")] = msgspec.field(
        default_factory=NetSettings
    )
    discovery: Annotated[DiscoverySettings, setting("How apps find it.")] = msgspec.field(
        default_factory=DiscoverySettings
    )
    env: Annotated[EnvSettings, setting("Variables for the file.")] = msgspec.field(
        default_factory=EnvSettings
    )
