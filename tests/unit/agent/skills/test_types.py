"""What a skill is."""

from __future__ import annotations

from pathlib import Path

from carapace.agent.skills.types import Needs, Skill, SkillSource


def test_a_skill_declares_its_variables_and_lies_in_its_folder():
    skill = Skill(
        name="a",
        key="a",
        description="Does a.",
        source=SkillSource.MANAGED,
        base_dir=Path("/s/a"),
        body="the whole text",
        primary_env="KEY",
        needs=Needs(env=("OTHER",)),
    )
    assert skill.variables == {"KEY", "OTHER"}
    assert skill.file == Path("/s/a/SKILL.md")
    assert "whole" not in repr(skill)
