"""What operators do with skills: keys stay in the vault, commands run only if they may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.agent.skills.install_run import InstallRun
from carapace.agent.skills.service import Skills
from carapace.config.redact import MARKER
from carapace.config.settings.skills import SkillEntry, SkillInstallSettings, SkillsSettings
from carapace.errors import Failed, Refused
from carapace.protocol.skills import SkillUpdate
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.auth import MemoryVault
from support.clock import FakeClock
from support.skills import make_program, make_shelf, write_skill

BREW = {"id": "brew", "kind": "brew", "formula": "crab", "bins": ["crab"]}
SPAWN = {"id": "web", "kind": "download", "url": "https://x.example/a"}


class House:
    """A service over a folder, with a command runner that writes down what it was asked."""

    def __init__(self, folder: Path, settings: SkillsSettings | None = None) -> None:
        self.folder = folder
        self.settings = settings or SkillsSettings()
        self.vault = MemoryVault()
        self.written: list[tuple[str, str, bool]] = []
        self.ran: list[tuple[tuple[str, ...], float]] = []
        self.run = InstallRun(0, "out", "err")
        self.begun = asyncio.Event()
        self.wait: asyncio.Event | None = None
        clock = FakeClock()
        self.audit = Audit(folder / "audit", clock=clock, redactor=Redactor())
        self.shelf = make_shelf(folder, clock, settings=self.settings, vault=self.vault)
        self.skills = Skills(
            self.shelf,
            lambda: self.settings,
            workspaces=lambda: (folder / "w", folder / "w2"),
            write_entry=self._write,
            audit=self.audit,
            install=self._install,
        )

    async def _write(self, key: str, name: str, value: bool) -> None:
        self.written.append((key, name, value))

    async def _install(
        self, argv: tuple[str, ...], environ: Mapping[str, str], *, timeout_s: float
    ) -> InstallRun:
        assert environ
        self.ran.append((argv, timeout_s))
        self.begun.set()
        if self.wait is not None:
            await self.wait.wait()
        return self.run

    async def update(self, **given: Any) -> dict[str, Any]:
        told = await self.skills.update(msgspec.convert(given, SkillUpdate), by="me")
        return msgspec.to_builtins(told)

    def trail(self) -> list[dict[str, Any]]:
        lines = (self.folder / "audit" / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def with_crab(tmp_path: Path, *, enabled: bool = True, **block: Any) -> House:
    install = SkillInstallSettings(enabled=enabled)
    house = House(tmp_path, SkillsSettings(install=install))
    write_skill(tmp_path / "managed", "crab", {"install": [BREW, SPAWN], **block})
    return house


def test_the_report_has_every_field_that_native_clients_need(tmp_path: Path):
    house = House(tmp_path, SkillsSettings(entries={"b": SkillEntry(enabled=False)}))
    block = {
        "emoji": "x",
        "primaryEnv": "K",
        "requires": {"bins": ["gone"], "env": ["K"], "config": ["a.b"]},
        "install": [BREW],
    }
    write_skill(tmp_path / "managed", "a", block)
    write_skill(tmp_path / "w" / "skills", "b")
    write_skill(tmp_path / "w2" / "skills", "of-another-agent")
    told = json.loads(msgspec.json.encode(house.skills.status()))
    assert told["workspaceDir"] == str(tmp_path / "w")
    assert told["managedSkillsDir"] == str(tmp_path / "managed")
    first, second = told["skills"]
    assert first == {
        "name": "a",
        "description": "Does a.",
        "source": "openclaw-managed",
        "filePath": str(tmp_path / "managed" / "a" / "SKILL.md"),
        "baseDir": str(tmp_path / "managed" / "a"),
        "skillKey": "a",
        "primaryEnv": "K",
        "emoji": "x",
        "always": False,
        "disabled": False,
        "blockedByAllowlist": False,
        "eligible": False,
        "requirements": {
            "bins": ["gone"],
            "anyBins": [],
            "env": ["K"],
            "config": ["a.b"],
            "os": [],
        },
        "missing": {"bins": ["gone"], "anyBins": [], "env": ["K"], "config": ["a.b"], "os": []},
        "configChecks": [{"path": "a.b", "satisfied": False}],
        "install": [
            {"id": "brew", "kind": "brew", "label": "Install crab (brew)", "bins": ["crab"]}
        ],
    }
    assert (second["disabled"], second["eligible"], "emoji" in second) == (True, False, False)


def test_packages_of_node_are_labelled_with_the_program_that_would_install_them(tmp_path: Path):
    install = SkillInstallSettings(node_manager="pnpm")
    house = House(tmp_path, SkillsSettings(install=install))
    row = {"id": "n", "kind": "node", "package": "@c/x", "label": "Get it"}
    write_skill(tmp_path / "managed", "a", {"install": [row]})
    assert house.skills.status().skills[0].install[0].label == "Install @c/x (pnpm)"


def test_bins_are_those_of_all_agents_skills_that_are_on(tmp_path: Path):
    house = House(tmp_path, SkillsSettings(entries={"off": SkillEntry(enabled=False)}))
    write_skill(tmp_path / "managed", "off", {"requires": {"bins": ["never"]}})
    write_skill(tmp_path / "managed", "a", {"requires": {"bins": ["z"], "anyBins": ["y"]}})
    write_skill(tmp_path / "w2" / "skills", "b", {"install": [BREW]})
    assert house.skills.bins().bins == ["crab", "y", "z"]


async def test_switching_writes_the_settings_and_needs_no_skill(tmp_path: Path):
    house = House(tmp_path)
    told = await house.update(skillKey="weather", enabled=True)
    assert told == {"ok": True, "skillKey": "weather", "config": {"enabled": True}}
    assert house.written == [("weather", "enabled", True)]
    line = house.trail()[-1]
    assert (line["kind"], line["skill"], line["changed"]) == ("skill.changed", "weather", "enabled")


async def test_keys_go_to_the_vault_and_are_never_shown(tmp_path: Path):
    house = House(tmp_path)
    write_skill(
        tmp_path / "managed", "a", {"primaryEnv": "MAIN_KEY", "requires": {"env": ["OTHER_KEY"]}}
    )
    told = await house.update(skillKey="a", apiKey=" s3cret ", env={"OTHER_KEY": "0ther"})
    assert told["config"] == {"apiKey": MARKER, "env": {"OTHER_KEY": MARKER}}
    assert house.vault.kept == {"skill:a:MAIN_KEY": "s3cret", "skill:a:OTHER_KEY": "0ther"}
    assert house.written == []
    assert "s3cret" not in (tmp_path / "audit" / "audit.jsonl").read_text()
    # The marker that a client was shown and sends back changes nothing; a blank one removes.
    told = await house.update(skillKey="a", apiKey=MARKER, env={"OTHER_KEY": ""})
    assert told["config"] == {"apiKey": MARKER}
    assert house.vault.kept == {"skill:a:MAIN_KEY": "s3cret"}


async def test_what_the_file_has_is_shown_as_there(tmp_path: Path):
    entry = SkillEntry(enabled=False, api_key="k", env={"B": "v"})
    house = House(tmp_path, SkillsSettings(entries={"a": entry}))
    told = await house.update(skillKey="a")
    assert told["config"] == {"enabled": False, "apiKey": MARKER, "env": {"B": MARKER}}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"env": {"UNDECLARED": "v"}}, "UNDECLARED"),
        ({"env": {"LD_PRELOAD": "v"}}, "LD_PRELOAD"),
        ({"apiKey": "v", "skillKey": "gone"}, "no skill 'gone'"),
        ({"apiKey": "v"}, "does not say which variable"),
    ],
)
async def test_adv_g15_only_declared_variables_are_kept(
    tmp_path: Path, given: dict[str, Any], says: str
):
    house = House(tmp_path)
    write_skill(tmp_path / "managed", "a", {"requires": {"env": ["LD_PRELOAD", "OK_KEY"]}})
    mixed = {"OK_KEY": "v", **given.get("env", {})} if "env" in given else None
    with pytest.raises(Refused, match=says):
        await house.update(**{"skillKey": "a", **given, **({"env": mixed} if mixed else {})})
    assert house.vault.kept == {}


async def test_what_an_agent_can_change_is_given_no_key(tmp_path: Path):
    house = House(tmp_path)
    write_skill(tmp_path / "w" / "skills", "own", {"primaryEnv": "OWN_KEY"})
    with pytest.raises(Refused, match="Move it to"):
        await house.update(skillKey="own", apiKey="v")
    assert house.vault.kept == {}


async def test_an_installation_runs_the_command_that_was_built_here(tmp_path: Path):
    house = with_crab(tmp_path)
    brew = make_program(tmp_path / "bin", "brew")
    make_program(tmp_path / "bin", "crab")
    told = await house.skills.install("crab", "brew", timeout_s=5.0, by="me")
    assert msgspec.to_builtins(told) == {
        "ok": True,
        "message": "Installed",
        "stdout": "out",
        "stderr": "err",
        "code": 0,
    }
    assert house.ran == [((str(brew), "install", "crab"), 5.0)]
    line = house.trail()[-1]
    assert (line["kind"], line["code"], line["by"]) == ("skill.install", 0, "me")


async def refusal(house: House, name: str = "crab", option: str = "brew") -> Failed:
    with pytest.raises(Failed) as caught:
        await house.skills.install(name, option, timeout_s=9_999.0, by="me")
    payload = msgspec.to_builtins(caught.value.payload)
    assert payload["ok"] is False
    assert payload["message"] == caught.value.message
    return caught.value


async def test_what_is_not_there_is_refused_as_recorded(tmp_path: Path):
    house = with_crab(tmp_path)
    told = await refusal(house, "no-such-skill", "nope")
    assert (told.code, told.message) == ("UNAVAILABLE", "Skill not found: no-such-skill")
    assert msgspec.to_builtins(told.payload) == {
        "ok": False,
        "message": "Skill not found: no-such-skill",
        "stdout": "",
        "stderr": "",
        "code": None,
    }
    assert (await refusal(house, "crab", "nope")).message == "Installer not found: nope"
    assert "do it by hand" in (await refusal(house, "crab", "web")).message
    assert "brew is not installed" in (await refusal(house)).message
    assert house.ran == []


async def test_without_the_setting_the_command_is_shown_and_not_run(tmp_path: Path):
    house = with_crab(tmp_path, enabled=False)
    make_program(tmp_path / "bin", "brew")
    said = (await refusal(house)).message
    assert "skills.install.enabled" in said
    assert "brew install crab" in said
    assert house.ran == []


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (InstallRun(1, "", "a\nno such formula"), "exit code 1: no such formula"),
        (InstallRun(1, "only here", ""), "exit code 1: only here"),
        (InstallRun(None, "", "", "brew was stopped"), "brew was stopped"),
        (InstallRun(0, "", ""), "crab is not in the PATH"),
    ],
)
async def test_a_failed_installation_says_why(tmp_path: Path, run: InstallRun, says: str):
    house = with_crab(tmp_path)
    make_program(tmp_path / "bin", "brew")
    house.run = run
    told = await refusal(house)
    assert says in told.message
    assert msgspec.to_builtins(told.payload)["code"] == run.code
    assert house.ran[0][1] == 900.0


async def test_one_installation_at_a_time(tmp_path: Path):
    house = with_crab(tmp_path)
    for name in ("brew", "crab"):
        make_program(tmp_path / "bin", name)
    house.wait = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(house.skills.install("crab", "brew", timeout_s=5.0, by="me"))
        await house.begun.wait()
        assert "under way" in (await refusal(house)).message
        house.wait.set()
    assert first.result().ok
