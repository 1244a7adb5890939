"""Commands run inside the workspace, and never where a link leads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.agent.exec.place import check_root, open_folder
from carapace.agent.tools.registry import ToolTrouble


@pytest.mark.parametrize("workdir", [None, "", ".", "a/b", "a/../a/b"])
def test_a_folder_of_the_workspace_is_held_open(tmp_path: Path, workdir: str | None):
    (tmp_path / "a" / "b").mkdir(parents=True)
    found, path = open_folder(tmp_path, workdir)
    try:
        assert os.fstat(found).st_ino == path.stat().st_ino
        assert path == Path(os.path.normpath(tmp_path / (workdir or "")))
    finally:
        os.close(found)


def test_an_absolute_folder_inside_is_fine(tmp_path: Path):
    (tmp_path / "a").mkdir()
    found, path = open_folder(tmp_path, str(tmp_path / "a"))
    os.close(found)
    assert path == tmp_path / "a"


@pytest.mark.parametrize("workdir", ["..", "/", "a/../../x", "/etc", "\0", "a\0/../.."])
def test_outside_is_refused(tmp_path: Path, workdir: str):
    with pytest.raises(ToolTrouble, match="must be inside"):
        open_folder(tmp_path, workdir)


def test_links_are_not_followed_and_files_are_no_folders(tmp_path: Path):
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "file").write_text("")
    for workdir in ("out", "link", "file", "in/missing", "out/ssl"):
        with pytest.raises(ToolTrouble, match="cannot be used"):
            open_folder(tmp_path, workdir)


def test_a_workspace_that_is_gone_is_told(tmp_path: Path):
    with pytest.raises(ToolTrouble, match="cannot be used"):
        open_folder(tmp_path / "gone", None)


def test_a_workspace_may_not_hold_what_matters(tmp_path: Path):
    state, home = tmp_path / "home" / ".carapace", tmp_path / "home"
    check_root(state / "workspace", state, home)
    check_root(home / "assistant", state, home)
    check_root(Path("/srv/w"), state, None)
    for root in (Path("/"), tmp_path, home, state):
        with pytest.raises(ToolTrouble, match="may change"):
            check_root(root, state, home)
