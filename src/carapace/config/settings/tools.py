"""`tools.*` and `memory.*`: what an agent may do besides talking."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.exec import ExecSettings
from carapace.config.settings.setting import Name, Section, setting
from carapace.config.settings.tool_lists import (
    ProviderTools,
    SubagentTools,
    ToolList,
    ToolNames,
    ToolProfile,
)
from carapace.config.settings.understanding import LinkReading, MediaReading
from carapace.config.settings.web_tools import WebTools

__all__ = ["MemorySettings", "ToolsSettings"]


class ToolsSettings(Section, frozen=True):
    """Which tools an agent has."""

    profile: Annotated[
        ToolProfile | None,
        setting(
            "A ready list: `minimal`, `coding`, `messaging`, or `full`, which is all tools.",
            live=True,
        ),
    ] = None
    allow: Annotated[
        ToolNames,
        setting(
            "Only these tools; without any, all that are safe. Groups such as `group:fs` and "
            "`*` are understood.",
            live=True,
        ),
    ] = ()
    deny: Annotated[ToolNames, setting("Never these tools, whatever allows them.", live=True)] = ()
    by_provider: Annotated[
        dict[Name, ProviderTools],
        setting(
            "What is left of them for models of one `provider`, or one `provider/model`, which "
            "then stands alone. Fallbacks count: a turn has what all its models may have.",
            live=True,
        ),
    ] = msgspec.field(default_factory=dict[str, ProviderTools])
    by_channel: Annotated[
        dict[Name, ToolList],
        setting("What is left of them in conversations of one chat service.", live=True),
    ] = msgspec.field(default_factory=dict[str, ToolList])
    subagents: Annotated[
        SubagentTools, setting("Sessions that agents open for themselves.", live=True)
    ] = msgspec.field(default_factory=SubagentTools)
    web: Annotated[WebTools, setting("Reading and searching the web.", live=True)] = msgspec.field(
        default_factory=WebTools
    )
    exec: Annotated[ExecSettings, setting("Commands on this machine.", live=True)] = msgspec.field(
        default_factory=ExecSettings
    )
    media: Annotated[MediaReading, setting("What is read of a message's files.", live=True)] = (
        msgspec.field(default_factory=MediaReading)
    )
    links: Annotated[LinkReading, setting("What is read of a message's links.", live=True)] = (
        msgspec.field(default_factory=LinkReading)
    )


class MemorySettings(Section, frozen=True):
    """What an agent remembers across sessions."""

    enabled: Annotated[bool, setting("Offer the memory tools.")] = True
    vectors: Annotated[
        Literal["auto", "off"],
        setting(
            "Find memories by meaning as well as by words: if the extra is installed, or never.",
            live=True,
        ),
    ] = "auto"
