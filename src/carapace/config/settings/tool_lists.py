"""Lists of tools: `allow` and `deny`, as they stand at `tools`, at agents, channels and groups."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.agent_exec import AgentExec
from carapace.config.settings.setting import Name, Section, setting

__all__ = ["AgentTools", "ProviderTools", "SubagentTools", "ToolList", "ToolNames", "ToolProfile"]

ToolProfile = Literal["minimal", "coding", "messaging", "full"]
ToolNames = tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=128)], ...]


class ToolList(Section, frozen=True):
    """Tools that may be used, and tools that may not."""

    allow: Annotated[
        ToolNames,
        setting(
            "Only these tools of those that are left; without any, all of them. Groups such as "
            "`group:fs` and `*` are understood.",
            live=True,
        ),
    ] = ()
    deny: Annotated[ToolNames, setting("Never these tools, whatever allows them.", live=True)] = ()


class ProviderTools(ToolList, frozen=True):
    """The tools that the models of one provider, or one model, may call."""

    profile: Annotated[
        ToolProfile | None,
        setting("A ready list that narrows further; see `tools.profile`.", live=True),
    ] = None


class AgentTools(ToolList, frozen=True):
    """The tools of one agent."""

    profile: Annotated[
        ToolProfile | None, setting("Instead of `tools.profile`, for this agent.", live=True)
    ] = None
    exec: Annotated[
        AgentExec, setting("Its commands, within what `tools.exec` allows.", live=True)
    ] = msgspec.field(default_factory=AgentExec)
    by_provider: Annotated[
        dict[Name, ProviderTools],
        setting("As `tools.byProvider`, for this agent; both hold.", live=True),
    ] = msgspec.field(default_factory=dict[str, ProviderTools])


class SubagentTools(Section, frozen=True):
    """The tools of sessions that agents open for themselves."""

    tools: Annotated[
        ToolList,
        setting(
            "Which they have; those that direct other sessions are never among them.", live=True
        ),
    ] = msgspec.field(default_factory=ToolList)
