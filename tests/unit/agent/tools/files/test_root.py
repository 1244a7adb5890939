"""Files below one folder, with everything that may stand in the way."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from carapace.agent.tools.files import root as subject
from carapace.agent.tools.files.root import (
    ABSENT,
    Change,
    FolderThere,
    change,
    list_folder,
    read_file,
)
from carapace.agent.tools.registry import ToolTrouble


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (tmp_path / "secret").write_text("outside")
    return folder


def read(root: Path, *parts: str) -> bytes:
    return read_file(root, parts, max_bytes=100).data


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.rglob("*")}


def test_a_file_is_read(root: Path):
    (root / "a").mkdir()
    (root / "a" / "b").write_bytes(b"x")
    assert read(root, "a", "b") == b"x"


def test_what_is_too_large_is_not_read_in_part(root: Path):
    (root / "a").write_bytes(b"x" * 101)
    with pytest.raises(ToolTrouble, match="larger than 100"):
        read(root, "a")


@pytest.mark.parametrize("parts", [("gone",), ("gone", "x")])
def test_what_is_not_there_is_said(root: Path, parts: tuple[str, ...]):
    with pytest.raises(ToolTrouble, match="is not there"):
        read(root, *parts)
    with pytest.raises(ToolTrouble, match="is not there"):
        list_folder(root, parts, limit=1)


def test_advisory_j04_no_link_is_followed_wherever_it_stands(root: Path):
    (root / "link").symlink_to(root.parent / "secret")
    (root / "inner").symlink_to("there")
    (root / "there").write_text("x")
    (root / "folder").symlink_to(root.parent)
    for parts in (("link",), ("inner",), ("folder", "secret"), ("there", "x")):
        with pytest.raises(ToolTrouble, match="neither is followed"):
            read(root, *parts)
    with pytest.raises(ToolTrouble, match="neither is followed"):
        list_folder(root, ("folder",), limit=9)


def test_advisory_j03_a_link_is_not_written_through(root: Path):
    (root / "link").symlink_to(root.parent / "secret")
    (root / "folder").symlink_to(root.parent)
    for parts in (("link",), ("folder", "secret"), ("folder", "new")):
        with pytest.raises(ToolTrouble):
            change(root, [Change(parts, b"bad")])
    assert (root.parent / "secret").read_text() == "outside"
    assert not (root.parent / "new").exists()


def test_a_second_name_is_neither_read_nor_written_through(root: Path):
    (root / "hard").hardlink_to(root.parent / "secret")
    with pytest.raises(ToolTrouble, match="second name"):
        read(root, "hard")
    change(root, [Change(("hard",), b"own")])
    assert (root.parent / "secret").read_text() == "outside"
    assert read(root, "hard") == b"own"


def test_pipes_and_sockets_are_left_alone(root: Path):
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root)
        try:
            listener.bind("door")
        finally:
            os.chdir(here)
        for name in ("pipe", "door"):
            with pytest.raises(ToolTrouble):
                read(root, name)
            with pytest.raises(ToolTrouble, match="no plain file"):
                change(root, [Change((name,), b"x")])


def test_a_folder_is_no_file(root: Path):
    (root / "a").mkdir()
    for parts in ((), ("a",)):
        with pytest.raises(FolderThere):
            read(root, *parts)
        with pytest.raises(FolderThere):
            change(root, [Change(parts, b"x")])


def test_a_folder_is_listed_up_to_a_limit(root: Path):
    (root / "b").mkdir()
    (root / "a").touch()
    (root / "c").symlink_to("b")
    assert list_folder(root, (), limit=9) == (["a", "b/", "c"], 3)
    assert list_folder(root, (), limit=1) == (["a"], 3)


def test_a_file_is_made_with_its_folders_for_the_owner_alone(tmp_path: Path):
    root = tmp_path / "not" / "yet"
    change(root, [Change(("a", "b", "c"), b"x")])
    assert read(root, "a", "b", "c") == b"x"
    assert (root / "a" / "b" / "c").stat().st_mode & 0o777 == 0o600
    assert names(root) == {"a", "b", "c"}


def test_a_replaced_file_keeps_its_permissions(root: Path):
    (root / "run.sh").write_text("old")
    (root / "run.sh").chmod(0o750)
    change(root, [Change(("run.sh",), b"new")])
    assert (root / "run.sh").stat().st_mode & 0o7777 == 0o750


def test_a_file_is_removed(root: Path):
    (root / "a").touch()
    change(root, [Change(("a",), None)])
    assert names(root) == set()
    with pytest.raises(ToolTrouble, match="is not there"):
        change(root, [Change(("a",), None)])


def test_what_was_changed_meanwhile_is_not_overwritten(root: Path):
    (root / "a").write_text("one")
    found = read_file(root, ("a",), max_bytes=100)
    (root / "a").write_text("other")
    with pytest.raises(ToolTrouble, match="changed meanwhile"):
        change(root, [Change(("a",), b"two", found.stamp)])
    (root / "a").unlink()
    with pytest.raises(ToolTrouble, match="is not there"):
        change(root, [Change(("a",), b"two", found.stamp)])
    change(root, [Change(("a",), b"new", ABSENT)])
    with pytest.raises(ToolTrouble, match="there already"):
        change(root, [Change(("a",), b"two", ABSENT)])
    assert names(root) == {"a"}


def test_all_or_nothing_when_one_cannot_be_prepared(root: Path):
    (root / "a").write_text("old")
    with pytest.raises(ToolTrouble):
        change(root, [Change(("a",), b"new"), Change(("gone",), None)])
    assert (root / "a").read_text() == "old"
    assert names(root) == {"a"}


@pytest.mark.parametrize("call", ["replace", "unlink"])
def test_all_or_nothing_when_the_disk_refuses_in_the_middle(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str
):
    for name in ("a", "b", "z"):
        (root / name).write_text(f"old {name}")
    real = getattr(os, call)

    def refuse(path: str, *more: object, **options: object) -> None:
        if (more[0] if call == "replace" else path) == "z":
            raise OSError(28, "No space left on device")
        real(path, *more, **options)

    monkeypatch.setattr(subject.os, call, refuse)
    last = b"new" if call == "replace" else None
    steps = [
        *(Change(("a",), b"new"), Change(("b",), None), Change(("made",), b"new")),
        Change(("z",), last),
    ]
    with pytest.raises(ToolTrouble, match="No space left"):
        change(root, steps)
    monkeypatch.undo()
    assert {one.name: one.read_text() for one in root.iterdir()} == {
        name: f"old {name}" for name in ("a", "b", "z")
    }


def test_a_disk_that_is_full_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch):
    (root / "a").write_text("old")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device", descriptor)

    monkeypatch.setattr(subject.os, "fsync", refuse)
    with pytest.raises(ToolTrouble, match="No space left"):
        change(root, [Change(("a",), b"new")])
    assert (root / "a").read_text() == "old"
    assert names(root) == {"a"}


def test_several_changes_leave_no_names_of_ours(root: Path):
    (root / "a").write_text("old")
    (root / "b").write_text("old")
    change(root, [Change(("a",), b"new"), Change(("b",), None), Change(("c",), b"new")])
    assert {one.name: one.read_text() for one in root.iterdir()} == {"a": "new", "c": "new"}
