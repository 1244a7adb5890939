"""Roots of skills: read through descriptors, never through links, and again only after changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.agent.skills import folders
from carapace.agent.skills.folders import MAX_FILE_BYTES, SkillRoot, Unreadable, read_below
from carapace.agent.skills.types import SkillSource
from support.skills import write_skill


def root(path: Path) -> SkillRoot:
    return SkillRoot(path, SkillSource.MANAGED, system="linux")


def names(found: SkillRoot) -> list[str]:
    return [skill.name for skill in found.read()]


def test_skills_are_found_by_their_folders_and_a_missing_root_has_none(tmp_path: Path):
    skills = root(tmp_path / "skills")
    assert names(skills) == []
    write_skill(tmp_path / "skills", "b")
    write_skill(tmp_path / "skills", "a")
    write_skill(tmp_path / "skills", ".hidden")
    (tmp_path / "skills" / "empty").mkdir()
    (tmp_path / "skills" / "README.md").write_text("no skill")
    assert names(skills) == ["a", "b"]


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path):
    write_skill(tmp_path, "a")
    skills = root(tmp_path)
    first = skills.read()[0]
    assert skills.read()[0] is first
    write_skill(tmp_path, "a", body="Better.")
    assert skills.read()[0].body == "Better."
    (tmp_path / "a" / "SKILL.md").unlink()
    assert names(skills) == []


def test_one_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path):
    write_skill(tmp_path, "good")
    write_skill(tmp_path, "bad").joinpath("SKILL.md").write_text("---\nname: x\n---\n")
    write_skill(tmp_path, "big").joinpath("SKILL.md").write_text("x" * (MAX_FILE_BYTES + 1))
    skills = root(tmp_path)
    assert names(skills) == ["good"]
    assert names(skills) == ["good"]


def test_adv_g16_no_link_leads_out_of_a_root(tmp_path: Path):
    outside = write_skill(tmp_path / "outside", "secret")
    inside = tmp_path / "skills"
    write_skill(inside, "ok")
    (inside / "folder-link").symlink_to(outside)
    (inside / "file-link").mkdir()
    (inside / "file-link" / "SKILL.md").symlink_to(outside / "SKILL.md")
    assert names(root(inside)) == ["ok"]


def test_a_pipe_in_the_place_of_a_file_stops_nobody(tmp_path: Path):
    write_skill(tmp_path, "a")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "SKILL.md")
    assert names(root(tmp_path)) == ["a"]


def test_only_so_many_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("a", "b", "c"):
        write_skill(tmp_path, name)
    monkeypatch.setattr(folders, "MAX_SKILLS", 2)
    assert names(root(tmp_path)) == ["a", "b"]


def test_the_root_itself_may_be_a_link(tmp_path: Path):
    write_skill(tmp_path / "real", "a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(root(tmp_path / "link")) == ["a"]


def test_files_beside_a_skill_are_read_by_their_path_below_it(tmp_path: Path):
    folder = write_skill(tmp_path, "a")
    (folder / "references").mkdir()
    (folder / "references" / "api.md").write_text("how")
    assert read_below(folder, "references/api.md") == "how"


@pytest.mark.parametrize(
    "name", ["../a/SKILL.md", "/etc/passwd", "", "link.md", "up/passwd", "missing", "."]
)
def test_adv_g16_nothing_beside_the_folder_is_read(tmp_path: Path, name: str):
    folder = write_skill(tmp_path, "a")
    (folder / "link.md").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("/etc")
    with pytest.raises(Unreadable):
        read_below(folder, name)


def test_a_skill_that_is_gone_has_no_files(tmp_path: Path):
    with pytest.raises(Unreadable, match="not there any more"):
        read_below(tmp_path / "gone", "x")
