"""`read_skill`: the agent opens a skill that its prompt lists, and files that lie beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.prompt import READ_SKILL
from carapace.agent.skills.folders import Unreadable, read_below
from carapace.agent.skills.shelf import SkillShelf
from carapace.agent.skills.types import Skill
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble
from carapace.config.redact import redact_tree
from carapace.ids import AgentId

__all__ = ["ReadSkill", "skill_tools"]

_MAX_CHARS: Final = 60_000
_CUT: Final = "\n[...] The rest was left out: the file is too long."


class ReadSkill(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `read_skill`."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="Name of the skill.")]
    file: (
        Annotated[
            str,
            Meta(
                max_length=400,
                description="A file the skill speaks of, by its path below the skill's folder.",
            ),
        ]
        | None
    ) = None


def skill_tools(shelf: SkillShelf, workspace_of: Callable[[AgentId], Path]) -> Tools:
    """The tool over these skills.

    Args:
        shelf: What there is.
        workspace_of: The folder of an agent.
    """
    tools = Tools()

    @tools.tool(READ_SKILL, risk=Risk.READ)
    async def read_skill(ctx: ToolContext, params: ReadSkill) -> str:
        """Read the instructions of a skill before you do work that it covers."""
        found = shelf.find(workspace_of(ctx.agent_id), params.name)
        if found is None or not found.is_eligible:
            raise ToolTrouble(
                f"There is no skill {params.name!r} that can be used here. Go by those that your "
                "instructions list, or do without."
            )
        if params.file is None:
            return _cut(_opened(found.skill, shelf))
        try:
            return _cut(await asyncio.to_thread(read_below, found.skill.base_dir, params.file))
        except Unreadable as error:
            raise ToolTrouble(f"{error}.") from error

    return tools


def _opened(skill: Skill, shelf: SkillShelf) -> str:
    parts = [f"Skill {skill.name}, in {skill.base_dir}"]
    if config := shelf.entry(skill.key).config:
        shown = redact_tree(config, ("skills", "entries", skill.key, "config"))
        parts.append(f"Its settings here: {msgspec.json.encode(shown).decode()}")
    return "\n\n".join([*parts, skill.body])


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + _CUT
