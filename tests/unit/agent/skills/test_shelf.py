"""All skills of an agent: later roots win, and each is judged by what is there now."""

from __future__ import annotations

from pathlib import Path

from carapace.agent.skills.shelf import SkillShelf
from carapace.agent.skills.types import SkillSource
from carapace.config.settings.skills import SkillEntry, SkillLoadSettings, SkillsSettings
from support.clock import FakeClock
from support.skills import make_program, make_shelf, write_skill


def eligible(shelf: SkillShelf, workspace: Path) -> list[str]:
    return [skill.name for skill in shelf.eligible(workspace)]


def test_the_workspace_wins_over_the_state_folder_and_that_over_further_ones(tmp_path: Path):
    load = SkillLoadSettings(extra_dirs=(str(tmp_path / "extra"),))
    for root in ("extra", "managed", "w/skills"):
        write_skill(tmp_path / root, "same")
    write_skill(tmp_path / "extra", "only-extra")
    write_skill(tmp_path / "managed", "only-managed")
    shelf = make_shelf(tmp_path, FakeClock(), settings=SkillsSettings(load=load))
    found = {one.skill.name: one.skill.source for one in shelf.all(tmp_path / "w")}
    assert found == {
        "only-extra": SkillSource.EXTRA,
        "only-managed": SkillSource.MANAGED,
        "same": SkillSource.WORKSPACE,
    }
    # Another agent's workspace is not looked at.
    assert shelf.all(tmp_path / "v")[2].skill.source is SkillSource.MANAGED


def test_hidden_and_disabled_ones_are_not_offered(tmp_path: Path):
    write_skill(tmp_path / "managed", "on")
    write_skill(tmp_path / "managed", "off")
    hidden = write_skill(tmp_path / "managed", "hidden") / "SKILL.md"
    hidden.write_text("---\ndescription: x\ndisable-model-invocation: true\n---\n")
    entries = {"off": SkillEntry(enabled=False)}
    shelf = make_shelf(tmp_path, FakeClock(), settings=SkillsSettings(entries=entries))
    assert eligible(shelf, tmp_path) == ["on"]


async def test_a_variable_may_come_from_the_environment_the_settings_or_the_vault(tmp_path: Path):
    for name in ("environment", "settings", "key", "vault", "nowhere"):
        block = {"primaryEnv": "K", "requires": {"env": ["K"]}, "skillKey": f"{name}-key"}
        if name == "environment":
            block["requires"] = {"env": ["E"]}
        write_skill(tmp_path / "managed", name, block)
    entries = {
        "settings-key": SkillEntry(env={"K": "v"}),
        "key-key": SkillEntry(api_key="v"),
    }
    shelf = make_shelf(
        tmp_path,
        FakeClock(),
        settings=SkillsSettings(entries=entries),
        environment={"E": "v"},
    )
    await shelf.secrets.put("vault-key", "K", "v")
    assert eligible(shelf, tmp_path) == ["environment", "key", "settings", "vault"]


def test_programs_and_settings_count(tmp_path: Path):
    make_program(tmp_path / "bin", "crab")
    write_skill(tmp_path / "managed", "a", {"requires": {"bins": ["crab"]}})
    write_skill(tmp_path / "managed", "b", {"requires": {"config": ["channels.x"]}})
    write_skill(tmp_path / "managed", "c", {"requires": {"bins": ["gone"]}})
    shelf = make_shelf(tmp_path, FakeClock(), config={"channels": {"x": {"y": 1}}})
    assert eligible(shelf, tmp_path) == ["a", "b"]


def test_one_is_found_by_name_before_key(tmp_path: Path):
    write_skill(tmp_path / "managed", "a", {"skillKey": "b"})
    write_skill(tmp_path / "managed", "b", {"skillKey": "c"})
    shelf = make_shelf(tmp_path, FakeClock())
    found = [shelf.find(tmp_path, name) for name in ("b", "c", "d")]
    assert [one and one.skill.name for one in found] == ["b", "b", None]
    assert shelf.entry("d") == SkillEntry()


async def test_a_program_is_given_the_variables_of_the_skills_that_need_it(tmp_path: Path):
    told: list[str] = []
    make_program(tmp_path / "bin", "tide")
    make_program(tmp_path / "bin", "crab")
    tide = {"primaryEnv": "MAIN", "requires": {"bins": ["tide"], "env": ["OWN", "GATE", "VAULT"]}}
    write_skill(tmp_path / "managed", "tide", tide)
    # The same key, a program that tells all, and an agent that may have written it.
    stolen = {**tide, "skillKey": "tide", "requires": {"bins": ["crab"], "env": ["OWN"]}}
    write_skill(tmp_path / "w" / "skills", "stolen", stolen)
    reserved = {"requires": {"bins": ["tide"], "env": ["LD_PRELOAD"]}}
    write_skill(tmp_path / "managed", "reserved", reserved)
    off = {"requires": {"bins": ["tide"], "env": ["OFF"]}}
    write_skill(tmp_path / "managed", "off", off)
    entries = {
        "tide": SkillEntry(api_key="main", env={"OWN": "own"}),
        "off": SkillEntry(enabled=False),
    }
    shelf = make_shelf(
        tmp_path,
        FakeClock(),
        settings=SkillsSettings(entries=entries),
        environment={"GATE": "gate", "LD_PRELOAD": "/evil", "OFF": "v", "OWN": "other"},
        add_secret=told.append,
    )
    await shelf.secrets.put("tide", "VAULT", "vault")
    found = await shelf.variables(tmp_path / "w", "tide")
    assert found == {"GATE": "gate", "MAIN": "main", "OWN": "own", "VAULT": "vault"}
    assert sorted(told) == ["gate", "main", "own", "vault"]
    assert await shelf.variables(tmp_path / "w", "crab") == {}
    standing = shelf.find(tmp_path / "w", "stolen")
    assert standing is not None
    assert standing.missing.env == ("OWN",)
