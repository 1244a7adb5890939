"""Skills are wired to configuration, vault and agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from carapace.agent.profiles import Profiles
from carapace.app.skills import HouseSkills, open_skills
from carapace.config.load import Overrides
from carapace.config.paths import PathFlags, resolve_paths
from carapace.config.service import ConfigService
from carapace.config.settings.agents import AgentsSettings
from carapace.protocol.skills import SkillUpdate
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.auth import MemoryVault
from support.clock import FakeClock
from support.skills import write_skill


@asynccontextmanager
async def house(tmp_path: Path, text: str = "{}") -> AsyncGenerator[tuple[HouseSkills, Profiles]]:
    (tmp_path / "carapace.json").write_text(text)
    flags = PathFlags(state_dir=str(tmp_path), config=str(tmp_path / "carapace.json"))
    config = ConfigService(resolve_paths({}, flags), Overrides({}, {}, {}))
    clock = FakeClock()
    audit = Audit(tmp_path / "audit", clock=clock, redactor=Redactor())
    vault = MemoryVault()
    await vault.put("skill:keyed:THE_KEY", "v")
    made = await open_skills(config, vault, variables=dict, search="", clock=clock, audit=audit)
    profiles = Profiles(AgentsSettings(), state_dir=tmp_path, skills=made.listed)
    try:
        yield made, profiles
    finally:
        audit.close()


async def test_an_agent_is_told_of_what_it_can_use_and_reads_it(tmp_path: Path):
    block = {"primaryEnv": "THE_KEY", "requires": {"env": ["THE_KEY"], "config": ["gateway.port"]}}
    write_skill(tmp_path / "skills", "keyed", block)
    write_skill(tmp_path / "workspace" / "skills", "own")
    async with house(tmp_path, '{"gateway": {"port": 1234}}') as (skills, profiles):
        told = profiles.skills(profiles.get(profiles.default_id))
        assert [one.name for one in told] == ["keyed", "own"]
        assert told[1].path == str(tmp_path / "workspace" / "skills" / "own" / "SKILL.md")
        assert list(skills.tools(profiles)) == ["read_skill"]
        given = await skills.variables(profiles)(profiles.default_id, "no-such-program")
        assert given == {}


async def test_a_switch_is_written_beside_what_the_file_says(tmp_path: Path):
    text = '{\n  // mine\n  "skills": {"entries": {"a": {"env": {"X": "y"}}}}\n}'
    async with house(tmp_path, text) as (skills, profiles):
        service = skills.service(profiles)
        await service.update(SkillUpdate(skill_key="a", enabled=False), by="me")
        assert not skills.shelf.entry("a").enabled
        assert skills.shelf.entry("a").env == {"X": "y"}
    assert "// mine" in (tmp_path / "carapace.json").read_text()
