"""What operators do with skills: look, switch, give keys, install."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from carapace.agent.skills.credentials import is_reserved
from carapace.agent.skills.eligibility import Standing
from carapace.agent.skills.install_run import InstallRun, run_install
from carapace.agent.skills.installing import choose, command
from carapace.agent.skills.shelf import SkillShelf
from carapace.agent.skills.types import InstallOption, Needs, Skill
from carapace.config.redact import MARKER
from carapace.config.settings.skills import SkillsSettings
from carapace.errors import Failed, Refused
from carapace.protocol.skills import (
    SkillBins,
    SkillConfigCheck,
    SkillInstalled,
    SkillNeeds,
    SkillOption,
    SkillRow,
    SkillsReport,
    SkillUpdate,
    SkillUpdated,
)
from carapace.telemetry.audit import Audit, AuditKind

__all__ = ["Install", "Skills", "WriteEntry"]

_LONGEST_INSTALL_S: Final = 900.0
_MAX_COMMAND_CHARS: Final = 400
WriteEntry = Callable[[str, str, bool], Awaitable[None]]
"""Writes one setting of a skill: key of the skill, name of the setting, value."""


class Install(Protocol):
    """Runs a command; see `run_install`."""

    async def __call__(
        self, argv: tuple[str, ...], environ: Mapping[str, str], *, timeout_s: float
    ) -> InstallRun:
        """See there."""
        ...


class Skills:
    """The skills of the house.

    Args:
        shelf: What there is.
        settings: `skills.*`, as they are now.
        workspaces: The folders of all agents, the default one's first.
        write_entry: See `WriteEntry`.
        audit: Gets a line for every change and every install.
        install: Runs install commands.
    """

    def __init__(
        self,
        shelf: SkillShelf,
        settings: Callable[[], SkillsSettings],
        *,
        workspaces: Callable[[], tuple[Path, ...]],
        write_entry: WriteEntry,
        audit: Audit,
        install: Install = run_install,
    ) -> None:
        self._shelf = shelf
        self._settings = settings
        self._workspaces = workspaces
        self._write_entry = write_entry
        self._audit = audit
        self._install = install
        self._installing = asyncio.Lock()

    def status(self) -> SkillsReport:
        """The default agent's skills, and what they lack now."""
        self._shelf.programs.forget()
        workspace = self._workspaces()[0]
        return SkillsReport(
            workspace_dir=str(workspace),
            managed_skills_dir=str(self._shelf.managed_dir),
            skills=[self._row(one) for one in self._shelf.all(workspace)],
        )

    def bins(self) -> SkillBins:
        """Every program that an enabled skill of any agent speaks of.

        A list of names and nothing else: no program may run because a skill names it (L07).
        """
        found: set[str] = set()
        for workspace in self._workspaces():
            for one in self._shelf.all(workspace):
                if not one.is_disabled:
                    needs = one.skill.needs
                    found.update(needs.bins, needs.any_bins)
                    found.update(*(option.bins for option in one.skill.install))
        return SkillBins(bins=sorted(found))

    async def update(self, wanted: SkillUpdate, *, by: str) -> SkillUpdated:
        """Switch a skill on or off, and keep its keys in the vault.

        Raises:
            Refused: If a variable is not the skill's to be given, or the settings refuse.
            Failed: If the vault does.
        """
        key = wanted.skill_key
        values = self._values(wanted)
        for variable, value in values.items():
            await self._shelf.secrets.put(key, variable, value)
        if wanted.enabled is not None:
            await self._write_entry(key, "enabled", wanted.enabled)
        changed = [*sorted(values), *(["enabled"] if wanted.enabled is not None else [])]
        self._audit.record(AuditKind.SKILL_CHANGED, skill=key, by=by, changed=", ".join(changed))
        return SkillUpdated(ok=True, skill_key=key, config=self._shown(key, wanted.enabled))

    def _values(self, wanted: SkillUpdate) -> dict[str, str]:
        """What is to be kept, by variable; each is checked before anything is written."""
        given = {name.strip(): value.strip() for name, value in (wanted.env or {}).items()}
        if wanted.api_key is None and not given:
            return {}
        skill = self._with_key(wanted.skill_key)
        if skill is None:
            raise Refused(
                f"There is no skill {wanted.skill_key!r}, so nothing is kept for it. See "
                "skills.status for the keys there are."
            )
        if not skill.is_trusted:
            raise Refused(
                f"The skill {skill.name} lies in a workspace, where the agent can change it, so it "
                f"is given no keys. Move it to {self._shelf.managed_dir} first."
            )
        if wanted.api_key is not None:
            if skill.primary_env is None:
                raise Refused(f"The skill {skill.name} does not say which variable its key is for.")
            given[skill.primary_env] = wanted.api_key.strip()
        for variable in given:
            if variable not in skill.variables or is_reserved(variable):
                raise Refused(
                    f"The variable {variable} is not one that the skill {skill.name} declares, or "
                    "it changes how programs start. Only declared variables are kept."
                )
        # A client that sends back what it was shown changes nothing.
        return {name: value for name, value in given.items() if value != MARKER}

    def _with_key(self, key: str) -> Skill | None:
        for workspace in self._workspaces():
            for one in self._shelf.all(workspace):
                if one.skill.key == key:
                    return one.skill
        return None

    def _shown(self, key: str, enabled: bool | None) -> dict[str, Any]:  # noqa: FBT001 - as in the params
        entry = self._shelf.entry(key)
        shown: dict[str, Any] = {}
        if enabled is not None or not entry.enabled:
            shown["enabled"] = entry.enabled if enabled is None else enabled
        skill = self._with_key(key)
        kept = {*self._shelf.secrets.variables(key), *entry.env}
        primary = skill.primary_env if skill is not None else None
        if entry.api_key or primary in kept:
            shown["apiKey"] = MARKER
        others = sorted(kept - {primary})
        if others:
            shown["env"] = dict.fromkeys(others, MARKER)
        return shown

    async def install(
        self, name: str, install_id: str, *, timeout_s: float, by: str
    ) -> SkillInstalled:
        """Run one install option of a skill, if the settings allow that at all.

        Raises:
            Failed: If it was not run or did not work; with the result as payload.
        """
        found = self._shelf.find(self._workspaces()[0], name)
        if found is None:
            raise _no(f"Skill not found: {name}")
        option = next((one for one in found.skill.install if one.id == install_id), None)
        if option is None:
            raise _no(f"Installer not found: {install_id}")
        argv = self._command(found.skill, option)
        if self._installing.locked():
            raise _no("Another installation is under way; try again when it has ended.")
        async with self._installing:
            run = await self._install(
                argv, os.environ, timeout_s=min(timeout_s, _LONGEST_INSTALL_S)
            )
        self._shelf.programs.forget()
        self._audit.record(
            AuditKind.SKILL_INSTALL, skill=name, command=" ".join(argv), by=by, code=run.code
        )
        return self._result(option, run)

    def _command(self, skill: Skill, option: InstallOption) -> tuple[str, ...]:
        """What is to be run.

        Raises:
            Failed: If it must not or cannot be.
        """
        settings = self._settings().install
        argv = command(option, settings)
        if argv is None:
            where = f" See {skill.homepage}." if skill.homepage else ""
            raise _no(f"{option.label}: downloads are not done here; do it by hand.{where}")
        said = " ".join(argv)[:_MAX_COMMAND_CHARS]
        if not settings.enabled:
            raise _no(
                f"Nothing was installed: skills.install.enabled is off. Run this yourself: {said}"
            )
        program = self._shelf.programs.find(argv[0])
        if program is None:
            raise _no(f"{argv[0]} is not installed here, so this cannot be run: {said}")
        return (program, *argv[1:])

    def _result(self, option: InstallOption, run: InstallRun) -> SkillInstalled:
        missing = [one for one in option.bins if self._shelf.programs.find(one) is None]
        if run.code == 0 and not missing:
            return SkillInstalled(True, "Installed", run.stdout, run.stderr, 0)
        if run.code == 0:
            message = f"The command ended well, but {', '.join(missing)} is not in the PATH."
        else:
            last = run.stderr.rpartition("\n")[2] or run.stdout.rpartition("\n")[2]
            reason = run.trouble or f"exit code {run.code}: {last[:200]}"
            message = f"Install failed ({reason})"
        result = SkillInstalled(False, message, run.stdout, run.stderr, run.code)
        raise Failed(message, payload=result)

    def _row(self, standing: Standing) -> SkillRow:
        skill = standing.skill
        options = choose(
            skill.install,
            self._settings().install,
            has_bin=lambda name: self._shelf.programs.find(name) is not None,
        )
        return SkillRow(
            name=skill.name,
            description=skill.description,
            source=skill.source.value,
            file_path=str(skill.file),
            base_dir=str(skill.base_dir),
            skill_key=skill.key,
            primary_env=skill.primary_env,
            emoji=skill.emoji,
            homepage=skill.homepage,
            always=skill.is_always,
            disabled=standing.is_disabled,
            blocked_by_allowlist=False,
            eligible=standing.is_eligible,
            requirements=_needs(skill.needs),
            missing=_needs(standing.missing),
            config_checks=tuple(SkillConfigCheck(*one) for one in standing.settings),
            install=tuple(SkillOption(o.id, o.kind, self._label(o), o.bins) for o in options),
        )

    def _label(self, option: InstallOption) -> str:
        """As the skill says, but for Node: there the settings say which program it will be."""
        if option.kind != "node":
            return option.label
        return f"Install {option.package} ({self._settings().install.node_manager})"


def _needs(needs: Needs) -> SkillNeeds:
    return SkillNeeds(needs.bins, needs.any_bins, needs.env, needs.config, needs.os)


def _no(message: str) -> Failed:
    return Failed(message, payload=SkillInstalled(False, message))
