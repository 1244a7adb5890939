"""Files are found below the folder and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.server import static_folder
from carapace.server.static_folder import StaticFolder, content_type_of


@pytest.fixture
def folder(tmp_path: Path) -> StaticFolder:
    root = tmp_path / "root"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<p>")
    (root / "assets" / "a.js").write_text("1")
    (root / ".hidden").write_text("secret")
    (tmp_path / "outside.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "linked").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    return StaticFolder(root)


def test_a_file_has_its_type_and_a_mark_that_changes(folder: StaticFolder, tmp_path: Path):
    found = folder.read("/assets/a.js")
    assert found is not None
    assert (found.data, found.content_type) == (b"1", "text/javascript; charset=utf-8")
    (tmp_path / "root" / "assets" / "a.js").write_text("22")
    changed = folder.read("assets/a.js")
    assert changed is not None
    assert changed.etag != found.etag


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "nothing",
        "assets",
        "../outside.txt",
        "assets/../index.html",
        "assets//a.js",
        "./index.html",
        ".hidden",
        "link.txt",
        "linked/outside.txt",
        "pipe",
        "a\\b",
        "a\0b",
        "c:index.html",
        "x" * 2_000,
        "index.html/x",
    ],
)
def test_what_is_no_plain_file_below_is_not_found(folder: StaticFolder, path: str):
    assert folder.read(path) is None


def test_a_long_file_is_not_served(folder: StaticFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(static_folder, "MAX_FILE_BYTES", 2)
    assert folder.read("index.html") is None


def test_a_folder_that_is_missing_has_nothing(tmp_path: Path):
    assert StaticFolder(tmp_path / "no").read("index.html") is None


def test_a_root_that_is_a_link_is_the_operators_choice(tmp_path: Path, folder: StaticFolder):
    (tmp_path / "alias").symlink_to(tmp_path / "root")
    assert StaticFolder(tmp_path / "alias").read("index.html") is not None


def test_unknown_names_are_octets():
    assert content_type_of("x.exe") == "application/octet-stream"
    assert content_type_of("X.PNG") == "image/png"
