"""The workspace: caps, caching, and no way out of the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.agent.workspace import FILE_NAMES, Workspace, WorkspaceFile


def read(workspace: Workspace, name: str) -> WorkspaceFile:
    return next(file for file in workspace.read() if file.name == name)


def test_a_missing_folder_is_a_workspace_of_missing_files(tmp_path: Path):
    files = Workspace(tmp_path / "none").read()
    assert [file.name for file in files] == list(FILE_NAMES)
    assert all(file.is_missing and not file.text for file in files)


def test_a_file_is_read_and_comments_are_for_people(tmp_path: Path):
    (tmp_path / "SOUL.md").write_text("Be <!-- no\nmodel sees this -->kind.\x07\n")
    soul = read(Workspace(tmp_path), "SOUL.md")
    assert soul.text == "Be kind."
    assert soul.raw_chars > len(soul.text)
    assert soul.path == str(tmp_path / "SOUL.md")


def test_a_long_file_is_cut_and_says_so(tmp_path: Path):
    (tmp_path / "AGENTS.md").write_text("x" * 50)
    file = read(Workspace(tmp_path, max_chars=20), "AGENTS.md")
    assert file.is_truncated
    assert file.text.startswith("x" * 20 + "\n")


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path):
    path = tmp_path / "USER.md"
    path.write_text("Anna")
    workspace = Workspace(tmp_path)
    first = read(workspace, "USER.md")
    assert read(workspace, "USER.md") is first
    path.write_text("Anna, Berlin")
    assert read(workspace, "USER.md").text == "Anna, Berlin"
    path.unlink()
    assert read(workspace, "USER.md").is_missing


def test_advisory_j03_a_link_out_of_the_folder_is_not_followed(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("key")
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "IDENTITY.md").symlink_to(secret)
    assert read(Workspace(root), "IDENTITY.md").is_missing


def test_a_link_put_there_between_look_and_open_is_not_followed(tmp_path: Path):
    (tmp_path / "secret").write_text("key")
    (tmp_path / "SOUL.md").symlink_to(tmp_path / "secret")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match=r"SOUL\.md"):
            Workspace(tmp_path)._load(folder, "SOUL.md")
    finally:
        os.close(folder)


def test_pipes_and_folders_are_no_files(tmp_path: Path):
    (tmp_path / "SOUL.md").mkdir()
    os.mkfifo(tmp_path / "USER.md")
    workspace = Workspace(tmp_path)
    assert read(workspace, "SOUL.md").is_missing
    assert read(workspace, "USER.md").is_missing
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="not a file"):
            workspace._load(folder, "USER.md")
    finally:
        os.close(folder)


def test_an_unreadable_file_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "SOUL.md").write_text("x")
    workspace = Workspace(tmp_path)

    def refuse(*_: object) -> WorkspaceFile:
        raise PermissionError

    monkeypatch.setattr(workspace, "_load", refuse)
    assert read(workspace, "SOUL.md").is_missing


def test_a_new_workspace_gets_files_that_cost_no_prompt(tmp_path: Path):
    workspace = Workspace(tmp_path / "new")
    workspace.prepare()
    assert (tmp_path / "new" / "IDENTITY.md").stat().st_mode & 0o777 == 0o600
    files = workspace.read()
    assert not read(workspace, "AGENTS.md").is_missing
    assert all(file.text == "" for file in files)


def test_a_workspace_in_use_is_left_as_it_is(tmp_path: Path):
    (tmp_path / "SOUL.md").write_text("mine")
    Workspace(tmp_path).prepare()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SOUL.md"]
