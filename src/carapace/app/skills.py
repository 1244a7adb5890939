"""Skills: where they lie, who reads them, and how their settings are written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from carapace.agent.exec.service import Variables
from carapace.agent.profiles import Profiles
from carapace.agent.prompt import PromptSkill
from carapace.agent.skills.credentials import SkillSecrets
from carapace.agent.skills.programs import Programs
from carapace.agent.skills.service import Skills
from carapace.agent.skills.shelf import SkillShelf
from carapace.agent.tools.registry import Tools
from carapace.agent.tools.skills import skill_tools
from carapace.clock import Clock
from carapace.config.service import ConfigService
from carapace.credentials.ports import Vault
from carapace.ids import AgentId
from carapace.telemetry.audit import Audit
from carapace.value import Value

__all__ = ["HouseSkills", "open_skills"]


class HouseSkills(Value, frozen=True):
    """The skills, for those who are built before and after the agents are known."""

    shelf: SkillShelf
    config: ConfigService
    audit: Audit

    def listed(self, workspace: Path) -> tuple[PromptSkill, ...]:
        """What an agent with this workspace is told of."""
        return tuple(
            PromptSkill(one.name, one.description, str(one.file))
            for one in self.shelf.eligible(workspace)
        )

    def tools(self, profiles: Profiles) -> Tools:
        """What agents read them with."""
        return skill_tools(self.shelf, lambda agent: profiles.get(agent).workspace.root)

    def variables(self, profiles: Profiles) -> Variables:
        """What programs are given for the sake of skills."""

        async def of_program(agent_id: AgentId, program: str) -> Mapping[str, str]:
            workspace = profiles.get(agent_id).workspace.root
            return await self.shelf.variables(workspace, program)

        return of_program

    def service(self, profiles: Profiles) -> Skills:
        """What operators do with them."""
        return Skills(
            self.shelf,
            lambda: self.config.settings.skills,
            workspaces=lambda: tuple(profiles.get(one).workspace.root for one in profiles.ids),
            write_entry=self._write,
            audit=self.audit,
        )

    async def _write(self, key: str, name: str, value: bool) -> None:  # noqa: FBT001 - a value to store
        patch = {"skills": {"entries": {key: {name: value}}}}
        base_hash = self.config.snapshot().hash
        draft = self.config.draft_patch(msgspec.json.encode(patch).decode(), base_hash=base_hash)
        await self.config.commit(draft)


async def open_skills(
    config: ConfigService,
    vault: Vault,
    *,
    variables: Callable[[], Mapping[str, str]],
    search: str,
    clock: Clock,
    audit: Audit,
    add_secret: Callable[[str], None] = lambda _: None,
) -> HouseSkills:
    """Learn what is kept for skills, and look at none of them yet.

    Args:
        config: Says where they lie and which are off.
        vault: Has their keys.
        variables: What counts as set for them.
        search: Where programs are looked for, as `PATH`.
        clock: The time.
        audit: Gets a line for each change.
        add_secret: Told each value that a program is given.

    Raises:
        Failed: If the vault cannot be read.
    """
    secrets = SkillSecrets(vault)
    await secrets.load()
    shelf = SkillShelf(
        lambda: config.settings.skills,
        managed_dir=config.paths.state_dir / "skills",
        programs=Programs(search, clock),
        secrets=secrets,
        environment=variables,
        config=lambda: config.snapshot().config,
        system=sys.platform,
        add_secret=add_secret,
    )
    return HouseSkills(shelf, config, audit)
