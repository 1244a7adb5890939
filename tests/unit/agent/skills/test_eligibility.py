"""Whether a skill is of use here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.agent.skills.eligibility import Surroundings, is_set, judge
from carapace.agent.skills.types import Needs, Skill, SkillSource

AROUND = Surroundings(
    has_bin=lambda name: name == "here",
    has_variable=lambda skill, name: (skill.key, name) == ("a", "HERE"),
    config={"plugins": {"entries": {"x": {"enabled": True}}}, "off": False, "blank": " "},
    system="linux",
    disabled=frozenset(),
)
SKILL = Skill(
    name="a", key="a", description="x", source=SkillSource.EXTRA, base_dir=Path("/a"), body=""
)


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        (Needs(), Needs()),
        (Needs(bins=("here",), os=("linux", "darwin")), Needs()),
        (Needs(bins=("here", "gone")), Needs(bins=("gone",))),
        (Needs(any_bins=("gone", "here")), Needs()),
        (Needs(any_bins=("gone", "lost")), Needs(any_bins=("gone", "lost"))),
        (Needs(env=("HERE", "GONE")), Needs(env=("GONE",))),
        (Needs(config=("plugins.entries.x.enabled",)), Needs()),
        (Needs(config=("off", "plugins")), Needs(config=("off",))),
        (Needs(os=("darwin",)), Needs(os=("darwin",))),
    ],
)
def test_what_is_missing_is_that_part_of_its_needs(needs: Needs, missing: Needs):
    standing = judge(dataclasses.replace(SKILL, needs=needs), AROUND)
    assert standing.missing == missing
    assert standing.is_eligible is (missing == Needs())


def test_one_that_is_always_of_use_lacks_nothing_unless_it_is_off():
    skill = dataclasses.replace(SKILL, needs=Needs(bins=("gone",)), is_always=True)
    assert judge(skill, AROUND).is_eligible
    off = judge(skill, replace(AROUND, disabled=frozenset({"a"})))
    assert (off.is_disabled, off.is_eligible) == (True, False)


def test_each_setting_is_told_with_its_state():
    standing = judge(dataclasses.replace(SKILL, needs=Needs(config=("off", "plugins"))), AROUND)
    assert standing.settings == (("off", False), ("plugins", True))


@pytest.mark.parametrize(
    ("config", "path"),
    [(None, "a"), ({"a": 1}, "a.b"), ({"a": {}}, "a"), ({"a": 0}, "a"), ({"a": " "}, "a")],
)
def test_nothing_false_and_blank_are_not_set(config: Any, path: str):
    assert not is_set(config, path)
