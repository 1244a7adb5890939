"""All skills of an agent: from every root, the later ones winning by name, each judged.

Nothing is watched: roots are looked at when they are asked for, and a file that did not change
is not read again, so a turn sees what is there now and pays some microseconds a skill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from carapace.agent.skills.credentials import SkillSecrets, is_reserved
from carapace.agent.skills.eligibility import Standing, Surroundings, judge
from carapace.agent.skills.folders import SkillRoot
from carapace.agent.skills.programs import Programs
from carapace.agent.skills.types import Skill, SkillSource
from carapace.config.settings.skills import SkillEntry, SkillsSettings

__all__ = ["SkillShelf"]

_NO_ENTRY: Final = SkillEntry()


class SkillShelf:
    """The skills there are.

    Args:
        settings: `skills.*`, as they are now.
        managed_dir: The root of the state folder.
        programs: Which programs there are.
        secrets: Which variables have a value in the vault.
        environment: The gateway's own variables, `env.vars` under them.
        config: The configuration as it is written, secrets hidden.
        system: As `sys.platform`.
        add_secret: Told each value that a program is given, so that it never shows in logs.
    """

    def __init__(
        self,
        settings: Callable[[], SkillsSettings],
        *,
        managed_dir: Path,
        programs: Programs,
        secrets: SkillSecrets,
        environment: Callable[[], Mapping[str, str]],
        config: Callable[[], Any],
        system: str,
        add_secret: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self.managed_dir = managed_dir
        self.programs = programs
        self.secrets = secrets
        self._environment = environment
        self._config = config
        self._system = system
        self._add_secret = add_secret
        self._roots: dict[tuple[Path, SkillSource], SkillRoot] = {}

    def all(self, workspace: Path) -> tuple[Standing, ...]:
        """Every skill of an agent with this workspace, by name."""
        found: dict[str, Skill] = {}
        for root in self._wanted(workspace):
            found.update({skill.name: skill for skill in root.read()})
        around = self._surroundings()
        return tuple(judge(found[name], around) for name in sorted(found))

    def eligible(self, workspace: Path) -> tuple[Skill, ...]:
        """Those that are of use, without those that are hidden from models."""
        return tuple(
            one.skill for one in self.all(workspace) if one.is_eligible and not one.skill.is_hidden
        )

    def find(self, workspace: Path, name: str) -> Standing | None:
        """The skill of that name, or of that key."""
        listed = self.all(workspace)
        by_name = next((one for one in listed if one.skill.name == name), None)
        return by_name or next((one for one in listed if one.skill.key == name), None)

    def entry(self, key: str) -> SkillEntry:
        """What the settings say about a skill."""
        return self._settings().entries.get(key, _NO_ENTRY)

    async def variables(self, workspace: Path, program: str) -> dict[str, str]:
        """What a program is given: the variables of those skills that need it by this name.

        Raises:
            Failed: If the vault cannot be read.
        """
        found: dict[str, str] = {}
        for one in self.all(workspace):
            needs = one.skill.needs
            is_meant = program in needs.bins or program in needs.any_bins
            if is_meant and one.is_eligible and one.skill.is_trusted:
                for name in sorted(one.skill.variables):
                    value = await self._value(one.skill, name)
                    if value and not is_reserved(name):
                        self._add_secret(value)
                        found[name] = value
        return found

    async def _value(self, skill: Skill, name: str) -> str | None:
        """What was given for a skill's variable; its own value counts before the gateway's."""
        entry = self.entry(skill.key)
        if name == skill.primary_env and entry.api_key:
            return entry.api_key
        if name in entry.env:
            return entry.env[name]
        return await self.secrets.get(skill.key, name) or self._environment().get(name)

    def _wanted(self, workspace: Path) -> list[SkillRoot]:
        extra = [Path(one).expanduser() for one in self._settings().load.extra_dirs]
        wanted = [(path, SkillSource.EXTRA) for path in extra]
        wanted.append((self.managed_dir, SkillSource.MANAGED))
        wanted.append((workspace / "skills", SkillSource.WORKSPACE))
        for path, source in wanted:
            if (path, source) not in self._roots:
                self._roots[path, source] = SkillRoot(path, source, system=self._system)
        return [self._roots[one] for one in wanted]

    def _surroundings(self) -> Surroundings:
        environment, entries = self._environment(), self._settings().entries

        def has_variable(skill: Skill, name: str) -> bool:
            if not skill.is_trusted:
                return False
            entry = entries.get(skill.key, _NO_ENTRY)
            is_given = name == skill.primary_env and entry.api_key
            return bool(
                environment.get(name)
                or entry.env.get(name)
                or is_given
                or self.secrets.has(skill.key, name)
            )

        return Surroundings(
            has_bin=lambda name: self.programs.find(name) is not None,
            has_variable=has_variable,
            config=self._config(),
            system=self._system,
            disabled=frozenset(key for key, entry in entries.items() if not entry.enabled),
        )
