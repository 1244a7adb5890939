"""`agents.*`: the assistants, and what they share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.heartbeat import HeartbeatSettings
from carapace.config.settings.setting import Count, Name, PositiveInt, Section, setting
from carapace.config.settings.tool_lists import AgentTools

__all__ = [
    "AgentDefaults",
    "AgentEntry",
    "AgentIdentity",
    "AgentSubagents",
    "AgentsSettings",
    "Budget",
    "CompactionSettings",
    "ModelChoice",
    "SubagentDefaults",
    "Thinking",
]

Thinking = Literal["off", "minimal", "low", "medium", "high", "xhigh"]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
_Dollars = Annotated[float, msgspec.Meta(ge=0)]


class ModelChoice(Section, frozen=True):
    """Which models to use, first to last."""

    primary: Annotated[
        Name | None, setting("The model as `provider/model`; without it one is found.", live=True)
    ] = None
    fallbacks: Annotated[
        tuple[Name, ...], setting("Tried in this order when the first fails.", live=True)
    ] = ()


class Budget(Section, frozen=True):
    """Hard caps for one agent and one UTC day."""

    daily_usd: Annotated[
        _Dollars | None, setting("US dollars a day; without it no cap.", live=True)
    ] = None
    daily_tokens: Annotated[
        PositiveInt | None, setting("Tokens a day; without it no cap.", live=True)
    ] = None


class CompactionSettings(Section, frozen=True):
    """When older messages are summarised."""

    reserve_tokens_floor: Annotated[
        Count, setting("Tokens of the context kept free for the answer.", live=True)
    ] = 20_000


class SubagentDefaults(Section, frozen=True):
    """Runs that agents start for themselves."""

    max_concurrent: Annotated[
        PositiveInt, setting("Sub-agents that may run at once, over all sessions.", live=True)
    ] = 8
    archive_after_minutes: Annotated[
        PositiveInt,
        setting(
            "Minutes after which the session of one that ended is archived, counted from when its "
            "end was told or something was last said there.",
            live=True,
        ),
    ] = 60
    model: Annotated[
        Name | None,
        setting("Their model as `provider/model`; without it that of their agent.", live=True),
    ] = None


class AgentSubagents(Section, frozen=True):
    """Which agents one agent may start as sub-agents."""

    allow_agents: Annotated[
        tuple[Name, ...],
        setting("Ids of other agents, or `*`; itself it may always.", live=True),
    ] = ()


class AgentIdentity(Section, frozen=True):
    """How an agent shows itself."""

    name: Annotated[str | None, setting("Name shown to people.", live=True)] = None
    theme: Annotated[str | None, setting("Character, in a few words.", live=True)] = None
    emoji: Annotated[str | None, setting("Emoji shown beside the name.", live=True)] = None
    avatar: Annotated[
        str | None, setting("Picture: a path in the workspace, a URL or a data URL.", live=True)
    ] = None


class AgentDefaults(Section, frozen=True):
    """What all agents share unless their entry says otherwise."""

    model: Annotated[ModelChoice, setting("Which models to use.", live=True)] = msgspec.field(
        default_factory=ModelChoice
    )
    workspace: Annotated[
        str | None,
        setting(
            "Folder with AGENTS.md, SOUL.md and the like; without it `workspace` in the "
            "state folder.",
            live=True,
        ),
    ] = None
    skip_bootstrap: Annotated[
        bool, setting("Do not create the workspace's first files.", live=True)
    ] = False
    bootstrap_max_chars: Annotated[
        PositiveInt, setting("Characters of each workspace file that reach the prompt.", live=True)
    ] = 20_000
    user_timezone: Annotated[
        str | None, setting("IANA time zone shown to the model; without it UTC.", live=True)
    ] = None
    context_tokens: Annotated[
        PositiveInt | None, setting("Cap on the context, below the model's own.", live=True)
    ] = None
    compaction: Annotated[
        CompactionSettings, setting("When older messages are summarised.", live=True)
    ] = msgspec.field(default_factory=CompactionSettings)
    thinking_default: Annotated[
        Thinking | None, setting("How long models think unless a session says so.", live=True)
    ] = None
    verbose_default: Annotated[
        Literal["off", "on", "full"],
        setting("Whether clients see tool calls unless a session says so.", live=True),
    ] = "off"
    timeout_seconds: Annotated[
        PositiveInt, setting("Longest time one turn may take, in seconds.", live=True)
    ] = 600
    media_max_mb: Annotated[
        Annotated[float, msgspec.Meta(gt=0)],
        setting("Largest picture a message may carry, in megabytes.", live=True),
    ] = 5.0
    heartbeat: Annotated[HeartbeatSettings, setting("Turns that nobody asked for.", live=True)] = (
        msgspec.field(default_factory=HeartbeatSettings)
    )
    max_concurrent: Annotated[PositiveInt, setting("Turns that may run at once.", live=True)] = 4
    subagents: Annotated[
        SubagentDefaults, setting("Runs that agents start for themselves.", live=True)
    ] = msgspec.field(default_factory=SubagentDefaults)
    budget: Annotated[Budget, setting("Hard caps for each agent and day.", live=True)] = (
        msgspec.field(default_factory=Budget)
    )


class AgentEntry(Section, frozen=True):
    """One agent."""

    id: Annotated[_Id, setting("Letters, digits, `-` and `_`; used in session keys.", live=True)]
    default: Annotated[bool, setting("Answers where no agent is named.", live=True)] = False
    name: Annotated[str | None, setting("Name in lists.", live=True)] = None
    workspace: Annotated[str | None, setting("Its own workspace folder.", live=True)] = None
    model: Annotated[ModelChoice | None, setting("Its own models.", live=True)] = None
    identity: Annotated[AgentIdentity | None, setting("How it shows itself.", live=True)] = None
    heartbeat: Annotated[
        HeartbeatSettings | None,
        setting("Its own heartbeat; if any agent has one, only those do that have.", live=True),
    ] = None
    budget: Annotated[Budget | None, setting("Its own caps.", live=True)] = None
    subagents: Annotated[
        AgentSubagents, setting("Which agents it may start as sub-agents.", live=True)
    ] = msgspec.field(default_factory=AgentSubagents)
    tools: Annotated[AgentTools | None, setting("What is left of the tools.", live=True)] = None


class AgentsSettings(Section, frozen=True):
    """The assistants."""

    defaults: Annotated[AgentDefaults, setting("What all agents share.", live=True)] = (
        msgspec.field(default_factory=AgentDefaults)
    )
    list: Annotated[
        tuple[AgentEntry, ...], setting("The agents; without any there is one, `main`.", live=True)
    ] = ()
