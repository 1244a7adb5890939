"""Which tools exist for whom: layers of allow and deny lists, each of which can only take away.

A layer is one pair of lists of the configuration: the profile, `tools`, an agent, a model or its
provider, a channel, a group, sub-agents. A tool exists where every layer that applies lets it
pass. What a tool may do for whose words is another question: `carapace.agent.approval` answers it
after this one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal

import msgspec

from carapace.provenance import Provenance
from carapace.sessions.keys import agent_of, is_subagent, rest_of
from carapace.value import Value

__all__ = [
    "GROUPS",
    "NO_LAYERS",
    "PROFILES",
    "SUBAGENT_DENY",
    "Layer",
    "Profile",
    "ToolLayers",
    "ToolScope",
    "scope_of",
]

Profile = Literal["minimal", "coding", "messaging", "full"]

# Guides are files as well: who may read none is shown none, as on the Node gateway.
_FS: Final = ("read", "write", "edit", "apply_patch", "read_skill")
_MEMORY: Final = ("memory_search", "memory_get", "memory_read", "memory_write", "memory_forget")
_RUNTIME: Final = ("exec", "process")
_SESSIONS: Final = (
    "sessions_list",
    "sessions_history",
    "sessions_send",
    "sessions_spawn",
    "session_status",
)
_WEB: Final = ("web_search", "web_fetch")
_OURS: Final = (
    *("browser", "canvas", "nodes", "cron", "message", "gateway", "agents_list", "image"),
    *("tts", "current_time"),
    *_SESSIONS,
    *_MEMORY,
    *_WEB,
)

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "group:fs": _FS,
    "group:web": _WEB,
    "group:sessions": _SESSIONS,
    "group:runtime": _RUNTIME,
    "group:memory": _MEMORY,
    "group:messaging": ("message",),
    "group:ui": ("browser", "canvas"),
    "group:automation": ("cron", "gateway"),
    "group:nodes": ("nodes",),
    "group:plugins": ("plugin_*",),
    "group:mcp": ("mcp_*",),
    # The Node gateway's word for its own tools, by the release's name.
    "group:clawdbot": _OURS,
    "group:moltbot": _OURS,
    "group:openclaw": _OURS,
}
"""Names that stand for several tools; those of the Node gateway."""

PROFILES: Final[Mapping[Profile, tuple[str, ...]]] = {
    "minimal": ("session_status",),
    "coding": ("group:fs", "group:runtime", "group:sessions", "group:memory", "image"),
    "messaging": (
        "group:messaging",
        "sessions_list",
        "sessions_history",
        "sessions_send",
        "session_status",
    ),
    "full": (),
}
"""What each profile allows; nothing listed is everything."""

SUBAGENT_DENY: Final = ("group:sessions", "group:memory", "group:automation", "agents_list")
"""What a session that an agent opened for itself never has: it reports, and does not direct."""

_ALIASES: Final = {"bash": "exec", "apply-patch": "apply_patch"}
_CHATS: Final = frozenset({"group", "channel"})
_THREAD: Final = re.compile(r":(?:thread|topic):")


class ToolScope(Value, frozen=True, kw_only=True):
    """Where a tool would run, as far as lists of tools tell it apart.

    Attributes:
        agent_id: Whose tools these are.
        channel: The chat service the words came through, or whose session it is.
        account: Which of our accounts there.
        group: The service's id of the group, lower case; None in a direct conversation.
        is_subagent: A session that an agent opened for itself.
        opened_by: The agent that did, where it may be another one.
        models: Every model that may be asked there, as `provider/model`: what one of them must
            not have, none has, since any of them may answer. Empty where a person or a program
            uses a tool.
    """

    agent_id: str
    channel: str | None = None
    account: str | None = None
    group: str | None = None
    is_subagent: bool = False
    opened_by: str | None = None
    models: tuple[str, ...] = ()


def scope_of(
    session_key: str,
    provenance: Provenance,
    spawned_by: str | None = None,
    *,
    models: tuple[str, ...] = (),
) -> ToolScope:
    """Where a turn of this session runs.

    A session that another one opened is bound by the lists of that one as well (row J05).

    Args:
        session_key: Canonical.
        provenance: Whose words started the turn.
        spawned_by: The session that opened this one, if one did.
        models: Those that may be asked, as `provider/model`.
    """
    parts = rest_of(spawned_by or session_key).split(":", 2)
    channel = group = None
    if len(parts) == 3 and parts[1] in _CHATS:  # noqa: PLR2004 - channel, kind and id
        channel, group = parts[0], _THREAD.split(parts[2], maxsplit=1)[0]
    return ToolScope(
        agent_id=agent_of(session_key),
        channel=channel or provenance.channel,
        account=provenance.account,
        group=group,
        is_subagent=spawned_by is not None or is_subagent(session_key),
        opened_by=None if spawned_by is None else agent_of(spawned_by),
        models=tuple(model.lower() for model in models),
    )


class _Names:
    """Names of tools, with groups spelt out and `*` for any letters."""

    __slots__ = ("_exact", "_patterns", "written")

    def __init__(self, written: Collection[str]) -> None:
        self.written = tuple(plain for name in written if (plain := _plain(name)))
        spelt = [one for name in self.written for one in GROUPS.get(name, (name,))]
        self._exact = frozenset(name for name in spelt if "*" not in name)
        self._patterns = tuple(_pattern(name) for name in spelt if "*" in name)

    def __bool__(self) -> bool:
        return bool(self.written)

    def __contains__(self, name: str) -> bool:
        return name in self._exact or any(one.fullmatch(name) for one in self._patterns)


def _plain(name: str) -> str:
    plain = name.strip().lower()
    return _ALIASES.get(plain, plain)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in name.split("*")))


class Layer:
    """One pair of lists.

    Args:
        label: The key of the configuration, for warnings.
        allow: Only these; none of them narrows nothing.
        deny: Never these, whatever `allow` says.
    """

    __slots__ = ("_allow", "_deny", "label")

    def __init__(
        self, label: str, *, allow: Collection[str] = (), deny: Collection[str] = ()
    ) -> None:
        self.label = label
        self._allow = _Names(allow)
        self._deny = _Names(deny)

    def permits(self, name: str) -> bool:
        """Whether the tool passes."""
        return name not in self._deny and (not self._allow or name in self._allow)

    def unknown(self, known: Collection[str]) -> Iterator[str]:
        """Names that stand for no tool and no group.

        Those of plugins and MCP servers are left out: these may be started later.
        """
        for name in dict.fromkeys((*self._allow.written, *self._deny.written)):
            is_other = "*" in name or name.startswith(("plugin_", "mcp_"))
            if not is_other and name not in GROUPS and name not in known:
                yield name


class ToolLayers(Value, frozen=True, kw_only=True):
    """All layers of the configuration.

    Attributes:
        profile: For agents that name none themselves.
        everywhere: `tools.allow` and `tools.deny`.
        agent_profiles: By agent, instead of `profile`.
        agents: By agent.
        providers: By agent (`""` for all of them) and then by provider or `provider/model`, in
            lower case.
        channels: By chat service.
        groups: By chat service, account (`""` for the service's own) and group, `*` for the
            others.
        subagents: For sessions that agents open for themselves.
    """

    profile: Layer | None = None
    everywhere: Layer | None = None
    agent_profiles: Mapping[str, Layer] = msgspec.field(default_factory=dict[str, Layer])
    agents: Mapping[str, Layer] = msgspec.field(default_factory=dict[str, Layer])
    providers: Mapping[tuple[str, str], tuple[Layer, ...]] = msgspec.field(
        default_factory=dict[tuple[str, str], tuple[Layer, ...]]
    )
    channels: Mapping[str, Layer] = msgspec.field(default_factory=dict[str, Layer])
    groups: Mapping[tuple[str, str, str], Layer] = msgspec.field(
        default_factory=dict[tuple[str, str, str], Layer]
    )
    subagents: Layer | None = None

    def permits(self, name: str, scope: ToolScope) -> bool:
        """Whether the tool exists there."""
        return all(layer.permits(name) for layer in self._of(scope))

    def unknown(self, known: Collection[str]) -> Iterator[tuple[str, str]]:
        """Keys of the configuration with a name in them that stands for nothing."""
        all_layers = (
            *(self.profile, self.everywhere, *self.agent_profiles.values()),
            *(*self.agents.values(), *self.channels.values(), *self.groups.values()),
            *(layer for layers in self.providers.values() for layer in layers),
            self.subagents,
        )
        own = {*known, *_FS, *_RUNTIME, *_OURS}
        for layer in all_layers:
            if layer is not None:
                yield from ((layer.label, name) for name in layer.unknown(own))

    def _of(self, scope: ToolScope) -> Iterator[Layer]:
        channel = scope.channel or ""
        owners = dict.fromkeys((scope.agent_id, scope.opened_by or scope.agent_id))
        found = (
            *(self.agent_profiles.get(owner, self.profile) for owner in owners),
            self.everywhere,
            *(self.agents.get(owner) for owner in owners),
            *(one for owner in ("", *owners) for one in self._of_models(owner, scope)),
            self.channels.get(channel),
            self._of_group(channel, scope),
            self.subagents if scope.is_subagent else None,
        )
        return (layer for layer in found if layer is not None)

    def _of_models(self, owner: str, scope: ToolScope) -> Iterator[Layer]:
        """Of each model the nearest entry: its own before its provider's."""
        for model in scope.models if self.providers else ():
            own = self.providers.get((owner, model))
            yield from (
                self.providers.get((owner, model.partition("/")[0]), ()) if own is None else own
            )

    def _of_group(self, channel: str, scope: ToolScope) -> Layer | None:
        """The nearest entry: the account's own before the service's, the group before `*`."""
        if scope.group is None:
            return None
        for account in (scope.account or "", ""):
            for group in (scope.group, "*"):
                layer = self.groups.get((channel, account, group))
                if layer is not None:
                    return layer
        return None


NO_LAYERS: Final = ToolLayers(subagents=Layer("tools.subagents.tools", deny=SUBAGENT_DENY))
"""What holds where the configuration says nothing."""
