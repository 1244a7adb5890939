"""Advisory group G and L07, J13, Q20, Q37, Q44: skills and speech bring no code and no way in."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.agent.approval import DEFAULT_RULES, Risk, Verdict
from carapace.agent.skills.folders import MAX_FILE_BYTES, SkillRoot
from carapace.agent.skills.install_run import InstallRun
from carapace.agent.skills.service import Skills
from carapace.agent.skills.types import SkillSource
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.skills import skill_tools
from carapace.agent.types import RunSource
from carapace.app.parts import METHODS
from carapace.config.settings.skills import SkillInstallSettings, SkillsSettings
from carapace.errors import Failed, Refused
from carapace.protocol.scopes import Role, Scope
from carapace.protocol.skills import SkillUpdate
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.auth import MemoryVault
from support.clock import FakeClock
from support.skills import make_program, make_shelf, write_skill


class Runs(list[tuple[str, ...]]):
    """The commands that were run."""

    async def __call__(
        self, argv: tuple[str, ...], environ: Any, *, timeout_s: float
    ) -> InstallRun:
        assert environ
        assert timeout_s > 0
        self.append(argv)
        return InstallRun(0, "", "")


async def unused(key: str, name: str, value: bool) -> None:
    raise AssertionError(f"{key}.{name} was set to {value}")


def service(
    tmp_path: Path, *, enabled: bool, vault: MemoryVault | None = None
) -> tuple[Skills, Runs]:
    clock, runs = FakeClock(), Runs()
    settings = SkillsSettings(install=SkillInstallSettings(enabled=enabled))
    skills = Skills(
        make_shelf(tmp_path, clock, settings=settings, vault=vault),
        lambda: settings,
        workspaces=lambda: (tmp_path / "w",),
        write_entry=unused,
        audit=Audit(tmp_path / "audit", clock=clock, redactor=Redactor()),
        install=runs,
    )
    return skills, runs


@pytest.mark.parametrize(
    "package", ["--prefix=/", "x; rm -rf /", "git+ssh://evil/x", "../x", "$(id)"]
)
async def test_adv_g13_nothing_is_installed_without_a_person_and_never_a_text_of_a_skill(
    tmp_path: Path, package: str
) -> None:
    for program in ("npm", "uv", "brew", "go"):
        make_program(tmp_path / "bin", program)
    rows = [
        {"id": "node", "kind": "node", "package": package},
        {"id": "uv", "kind": "uv", "package": package},
        {"id": "brew", "kind": "brew", "formula": package},
        {"id": "go", "kind": "go", "module": package},
        {"id": "sh", "kind": "shell", "command": "id"},
        {"id": "good", "kind": "uv", "package": "good"},
    ]
    write_skill(tmp_path / "managed", "evil", {"install": rows})
    skills, runs = service(tmp_path, enabled=True)
    for option in ("node", "uv", "brew", "go", "sh"):
        with pytest.raises(Failed, match="Installer not found"):
            await skills.install("evil", option, timeout_s=5.0, by="me")
    assert runs == []
    await skills.install("evil", "good", timeout_s=5.0, by="me")
    assert runs == [(str(tmp_path / "bin" / "uv"), "tool", "install", "good")]
    # Off unless the operator says otherwise, and then for administrators alone.
    closed, nothing = service(tmp_path, enabled=SkillInstallSettings().enabled)
    with pytest.raises(Failed, match=r"skills\.install\.enabled is off"):
        await closed.install("evil", "good", timeout_s=5.0, by="me")
    assert nothing == []
    assert METHODS["skills.install"].scope is Scope.ADMIN
    listed = {*builtin_tools(), *skill_tools(make_shelf(tmp_path, FakeClock()), Path)}
    assert not {name for name in listed if "install" in name}


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "NODE_OPTIONS", "PATH", "UNDECLARED", "X=Y"])
async def test_adv_g15_a_skill_is_given_declared_variables_and_no_reserved_ones(
    tmp_path: Path, variable: str
) -> None:
    declared = ["LD_PRELOAD", "NODE_OPTIONS", "PATH", "FINE_TOKEN"]
    write_skill(tmp_path / "managed", "a", {"requires": {"env": declared}})
    vault = MemoryVault()
    skills, _ = service(tmp_path, enabled=False, vault=vault)
    wanted = SkillUpdate(skill_key="a", env={"FINE_TOKEN": "v", variable: "v"})
    with pytest.raises(Refused):
        await skills.update(wanted, by="me")
    assert vault.kept == {}
    await skills.update(SkillUpdate(skill_key="a", env={"FINE_TOKEN": "v"}), by="me")
    assert list(vault.kept) == ["skill:a:FINE_TOKEN"]


def test_adv_g16_a_skill_names_no_folder_to_download_into(tmp_path: Path) -> None:
    row = {"id": "d", "kind": "download", "url": "https://x.example/a", "targetDir": "/etc"}
    write_skill(tmp_path / "managed", "a", {"install": [row]})
    skills, runs = service(tmp_path, enabled=True)
    with pytest.raises(Failed, match="by hand"):
        asyncio.run(skills.install("a", "d", timeout_s=5.0, by="me"))
    assert runs == []
    assert "/etc" not in json.dumps(msgspec.to_builtins(skills.status()))


def test_adv_q37_what_is_read_of_skills_is_bounded_while_it_is_read(tmp_path: Path) -> None:
    folder = write_skill(tmp_path, "endless")
    with (folder / "SKILL.md").open("wb") as file:
        file.truncate(MAX_FILE_BYTES * 1_000)  # says it is small or large: nobody asks
    assert SkillRoot(tmp_path, SkillSource.EXTRA, system="linux").read() == ()


def test_adv_l07_programs_of_skills_need_no_less_approval_than_others(tmp_path: Path) -> None:
    # The only way from a skill's metadata to a list of programs is a list of names for nodes.
    write_skill(tmp_path / "managed", "a", {"requires": {"bins": ["rm"]}, "always": True})
    skills, runs = service(tmp_path, enabled=True)
    assert skills.bins().bins == ["rm"]
    assert runs == []
    assert METHODS["skills.bins"].role is Role.NODE
    assert DEFAULT_RULES[RunSource.OPERATOR, Risk.DANGEROUS] is Verdict.ASK


def test_adv_q44_skills_are_read_for_the_owners_words_alone(tmp_path: Path) -> None:
    row = skill_tools(make_shelf(tmp_path, FakeClock()), Path)["read_skill"]
    denied = [
        source
        for source in RunSource
        if DEFAULT_RULES.get((source, row.risk), Verdict.DENY) is Verdict.DENY
    ]
    assert set(denied) == {RunSource.VISITOR, RunSource.OUTSIDE}


def test_adv_q20_no_tool_signs_in_or_out(tmp_path: Path) -> None:
    listed = {*builtin_tools(), *skill_tools(make_shelf(tmp_path, FakeClock()), Path)}
    assert not {name for name in listed if "login" in name or "logout" in name}
    for method in ("channels.logout", "web.login.start", "web.login.wait"):
        assert METHODS[method].scope is Scope.ADMIN
