"""Agents as the settings describe them: workspace, models, looks.

An id that no setting names still gets a profile made of the defaults: clients may ask how an
unknown agent would look, but not start a run with it (`knows`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from carapace.agent.prompt import PromptSkill
from carapace.agent.workspace import Workspace, WorkspaceFile
from carapace.config.settings.agent_exec import AgentExec
from carapace.config.settings.agents import AgentDefaults, AgentEntry, AgentsSettings
from carapace.ids import AgentId
from carapace.protocol.agent import AgentIdentity, AgentRow, AgentRowIdentity
from carapace.value import Value

__all__ = ["AgentProfile", "Profiles", "parse_identity"]

_MAIN: Final = AgentId("main")
_DEFAULT_NAME: Final = "Assistant"
_MAX_FIELD_CHARS: Final = 200
_FIELD: Final = re.compile(
    r"^[\s>*+-]*\**(name|emoji|avatar|theme|creature|vibe)\**\s*:\s*\**\s*(.+?)\s*\**\s*$",
    re.IGNORECASE,
)


class AgentProfile(Value, frozen=True):
    """What a turn needs to know of its agent.

    Attributes:
        agent_id: As in session keys.
        workspace: Its files.
        thinking: Level where neither message nor session names one; None leaves it off.
        is_verbose: Whether clients see tool calls where the session does not say.
        timeout_s: Longest time one turn may take.
        context_tokens: Cap below the model's own window, or None.
        reserve_tokens: Part of the window kept free for the answer.
        timezone: IANA name, or None for UTC.
        exec: What its commands may do, within what all may.
    """

    agent_id: AgentId
    workspace: Workspace
    thinking: str | None
    is_verbose: bool
    timeout_s: float
    context_tokens: int | None
    reserve_tokens: int
    timezone: str | None
    exec: AgentExec


class Profiles:
    """All agents.

    Args:
        settings: `agents.*`.
        state_dir: Where workspaces are that no setting places.
        skills: The skills of an agent with this workspace; without it there are none.
    """

    def __init__(
        self,
        settings: AgentsSettings,
        *,
        state_dir: Path,
        skills: Callable[[Path], tuple[PromptSkill, ...]] | None = None,
    ) -> None:
        self._state_dir = state_dir
        self._skills = skills
        self._workspaces: dict[tuple[Path, int], Workspace] = {}
        self.apply(settings)

    def apply(self, settings: AgentsSettings) -> None:
        """Take new settings; running turns keep what they have."""
        self._defaults: AgentDefaults = settings.defaults
        self._entries: dict[AgentId, AgentEntry] = {
            AgentId(entry.id.lower()): entry for entry in settings.list
        }
        chosen = [agent_id for agent_id, entry in self._entries.items() if entry.default]
        self._default_id = chosen[0] if chosen else next(iter(self._entries), _MAIN)
        self._profiles: dict[AgentId, AgentProfile] = {}

    @property
    def default_id(self) -> AgentId:
        """Who answers where no agent is named."""
        return self._default_id

    @property
    def ids(self) -> tuple[AgentId, ...]:
        """All agents, the default one first."""
        others = [agent_id for agent_id in self._entries if agent_id != self._default_id]
        return (self._default_id, *others)

    def knows(self, agent_id: str) -> bool:
        """Whether a run may be started for `agent_id`."""
        return agent_id.lower() in self.ids

    def get(self, agent_id: AgentId) -> AgentProfile:
        """The profile of an agent; one made of defaults for an id that nobody configured."""
        profile = self._profiles.get(agent_id)
        if profile is None:
            profile = self._build(agent_id)
            if self.knows(agent_id):
                self._profiles[agent_id] = profile
        return profile

    def skills(self, profile: AgentProfile) -> tuple[PromptSkill, ...]:
        """What the agent is told of skills; read anew where files changed."""
        return () if self._skills is None else self._skills(profile.workspace.root)

    def prepare(self) -> None:
        """Make the workspaces' first files, unless `agents.defaults.skipBootstrap` is set.

        Raises:
            OSError: If a folder cannot be made.
        """
        if not self._defaults.skip_bootstrap:
            for agent_id in self.ids:
                self.get(agent_id).workspace.prepare()

    def identity(
        self, agent_id: AgentId, files: Sequence[WorkspaceFile] | None = None
    ) -> AgentIdentity:
        """Name and avatar: from the settings, then IDENTITY.md, then a plain default.

        `files` are those of the agent's workspace, if somebody has just read them.
        """
        said = self._looks(agent_id, files)
        name = said.name or _DEFAULT_NAME
        return AgentIdentity(
            agent_id=agent_id,
            name=name,
            avatar=said.avatar or said.emoji or name[0].upper(),
            emoji=said.emoji,
        )

    def rows(self) -> tuple[AgentRow, ...]:
        """The agents as `agents.list` shows them."""
        return tuple(self._row(agent_id) for agent_id in self.ids)

    def _row(self, agent_id: AgentId) -> AgentRow:
        entry = self._entries.get(agent_id)
        looks = self._looks(agent_id)
        is_known = looks != AgentRowIdentity()
        return AgentRow(
            id=agent_id, name=entry.name if entry else None, identity=looks if is_known else None
        )

    def _looks(
        self, agent_id: AgentId, files: Sequence[WorkspaceFile] | None = None
    ) -> AgentRowIdentity:
        entry = self._entries.get(agent_id)
        said: dict[str, str] = {}
        if self.knows(agent_id):
            files = self.get(agent_id).workspace.read() if files is None else files
            said = parse_identity(_identity_text(files))
        if entry is not None:
            chosen = entry.identity
            if chosen is not None:
                for field in ("name", "theme", "emoji", "avatar"):
                    value: str | None = getattr(chosen, field)
                    if value:
                        said[field] = value
            if entry.name:
                said.setdefault("name", entry.name)
        return AgentRowIdentity(
            name=said.get("name"),
            theme=said.get("theme"),
            emoji=said.get("emoji"),
            avatar=said.get("avatar"),
        )

    def _build(self, agent_id: AgentId) -> AgentProfile:
        defaults = self._defaults
        return AgentProfile(
            agent_id=agent_id,
            workspace=self._workspace(agent_id),
            thinking=defaults.thinking_default,
            is_verbose=defaults.verbose_default != "off",
            timeout_s=float(defaults.timeout_seconds),
            context_tokens=defaults.context_tokens,
            reserve_tokens=defaults.compaction.reserve_tokens_floor,
            timezone=defaults.user_timezone,
            exec=self._exec(agent_id),
        )

    def _exec(self, agent_id: AgentId) -> AgentExec:
        entry = self._entries.get(agent_id)
        return entry.tools.exec if entry is not None and entry.tools is not None else AgentExec()

    def _workspace(self, agent_id: AgentId) -> Workspace:
        root, max_chars = self._root(agent_id), self._defaults.bootstrap_max_chars
        known = self._workspaces.get((root, max_chars))
        if known is None:
            known = Workspace(root, max_chars=max_chars)
            if self.knows(agent_id):
                self._workspaces[root, max_chars] = known
        return known

    def _root(self, agent_id: AgentId) -> Path:
        entry = self._entries.get(agent_id)
        if entry is not None and entry.workspace:
            return Path(entry.workspace).expanduser()
        if agent_id != self._default_id:
            # An id that nobody configured is a client's text: it must not choose a folder.
            name = agent_id if agent_id in self._entries else "unknown"
            return self._state_dir / f"workspace-{name}"
        if self._defaults.workspace:
            return Path(self._defaults.workspace).expanduser()
        return self._state_dir / "workspace"


def _identity_text(files: Sequence[WorkspaceFile]) -> str:
    return next((file.text for file in files if file.name == "IDENTITY.md"), "")


def parse_identity(text: str) -> dict[str, str]:
    """Fields of an IDENTITY.md: lines such as `- **Name:** Shelly`; the first of a kind wins."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _FIELD.match(line[: _MAX_FIELD_CHARS * 2])
        if match:
            field = match[1].lower()
            field = "theme" if field in {"creature", "vibe"} else field
            found.setdefault(field, match[2][:_MAX_FIELD_CHARS])
    return found
