"""From a SKILL.md to what it means; nothing of it may become an option of a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carapace.agent.skills.declaration import declare
from carapace.agent.skills.front_matter import FrontMatterError
from carapace.agent.skills.types import InstallOption, Needs, Skill, SkillSource


def read(head: str, *, system: str = "linux") -> Skill:
    text = f"---\n{head}\n---\nBody."
    return declare(text, Path("/s/folder"), SkillSource.EXTRA, system=system)


def option(**row: Any) -> tuple[InstallOption, ...]:
    block = json.dumps({"clawdbot": {"install": [row]}})
    return read(f"description: x\nmetadata: {block}").install


def test_all_of_it_is_read():
    block = {
        "emoji": "🦀",
        "skillKey": "the-key",
        "primaryEnv": "CRAB_KEY",
        "always": True,
        "os": ["linux", "darwin"],
        "homepage": "https://crab.example",
        "requires": {
            "bins": ["crab"],
            "anyBins": ["a", "b"],
            "env": ["CRAB_KEY"],
            "config": ["channels.discord"],
        },
        "install": [{"id": "i", "kind": "node", "package": "@crab/cli@1.2", "bins": ["crab"]}],
    }
    skill = read(
        "name: crab\ndescription: Crabs.\ndisable-model-invocation: true\n"
        f"metadata: {json.dumps({'moltbot': block})}"
    )
    assert skill == Skill(
        name="crab",
        key="the-key",
        description="Crabs.",
        source=SkillSource.EXTRA,
        base_dir=Path("/s/folder"),
        body="Body.",
        homepage="https://crab.example",
        emoji="🦀",
        is_always=True,
        is_hidden=True,
        primary_env="CRAB_KEY",
        needs=Needs(
            bins=("crab",),
            any_bins=("a", "b"),
            env=("CRAB_KEY",),
            config=("channels.discord",),
            os=("linux", "darwin"),
        ),
        install=(
            InstallOption(
                id="i",
                kind="node",
                label="Install @crab/cli@1.2 (npm)",
                bins=("crab",),
                package="@crab/cli@1.2",
            ),
        ),
    )


def test_the_folder_names_a_skill_that_does_not_and_its_name_is_its_key():
    skill = read("description: x\nhomepage: https://x.example\nmetadata:\n  author: me")
    assert (skill.name, skill.key, skill.homepage) == ("folder", "folder", "https://x.example")
    assert skill.needs == Needs()


def test_a_skill_without_a_description_is_none():
    with pytest.raises(FrontMatterError, match="no description"):
        read("name: x")


def test_a_name_is_one_line_and_a_link_is_one_of_the_web():
    skill = read('name: "a\\nb"\ndescription: "x\\u0000y"\nhomepage: "javascript:alert(1)"')
    assert (skill.name, skill.description, skill.homepage) == ("a b", "x y", None)


def test_options_for_other_systems_and_unknown_kinds_are_left_out():
    assert option(kind="brew", formula="jq", os=["darwin"]) == ()
    assert option(kind="apt", package="jq") == ()
    assert option(kind="brew", formula="x/tap/jq", os=["linux"])[0].id == "brew-0"
    assert option(kind="download", url="https://x.example/a")[0].label == "Download by hand"


@pytest.mark.parametrize(
    ("kind", "field", "package"),
    [
        ("node", "package", "--registry=https://evil.example"),
        ("node", "package", "git+https://evil.example/x.git"),
        ("node", "package", "../../tmp/x"),
        ("node", "package", "a b"),
        ("brew", "formula", "-v"),
        ("brew", "formula", "https://evil.example/f.rb"),
        ("brew", "formula", "./f.rb"),
        ("go", "module", "-toolexec=sh"),
        ("go", "module", "module"),
        ("uv", "package", "--index-url=x"),
        ("uv", "package", "git+https://evil.example/x"),
        ("uv", "package", "x\n--y"),
        ("uv", "package", ["x"]),
        ("uv", "package", "x" * 300),
        ("uv", "package", ""),
    ],
)
def test_adv_g16_a_package_that_is_no_plain_name_is_dropped(kind: str, field: str, package: Any):
    assert option(kind=kind, **{field: package}) == ()


def test_names_of_programs_and_variables_are_names():
    block = {"requires": {"bins": ["../sh", "a;b", "ok", "ok"], "env": ["A=B", "OK"], "config": 3}}
    skill = read(f"description: x\nmetadata: {json.dumps({'openclaw': block})}")
    assert skill.needs == Needs(bins=("ok",), env=("OK",))
