"""The plugins folder belongs to us, is closed to others, and follows no links."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from carapace.errors import Failed
from carapace.plugins.package import files as unit
from carapace.plugins.package.files import PluginFiles, disk_failure, read_plain

DIGEST = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "plugins"


@pytest.fixture
def folder(root: Path):
    opened = PluginFiles(root)
    yield opened
    opened.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_package_is_kept_for_us_alone(folder: PluginFiles, root: Path):
    before = os.umask(0)
    try:
        folder.keep(DIGEST, {"plugin.toml": b"a", "plugin.wasm": b"b"})
    finally:
        os.umask(before)
    assert folder.read(DIGEST, "plugin.wasm", max_bytes=1) == b"b"
    assert folder.names(DIGEST) == {"plugin.toml", "plugin.wasm"}
    assert mode(root) == mode(root / "store") == mode(root / "store" / DIGEST) == 0o700
    assert mode(folder.path(DIGEST, "plugin.wasm")) == 0o400


def test_a_folder_that_others_may_read_is_closed(root: Path):
    root.mkdir(mode=0o755)
    PluginFiles(root).close()
    assert mode(root) == 0o700


def test_a_link_in_place_of_the_folder_is_refused(root: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failed, match="plugins folder cannot be used"):
        PluginFiles(root)


def test_a_changed_package_is_replaced_whole(folder: PluginFiles, root: Path):
    folder.keep(DIGEST, {"plugin.wasm": b"b"})
    (root / "store" / DIGEST / "more").write_text("x")
    folder.keep(DIGEST, {"plugin.wasm": b"b"})
    assert folder.names(DIGEST) == {"plugin.wasm"}


def test_links_are_not_followed(folder: PluginFiles, root: Path, tmp_path: Path):
    folder.keep(DIGEST, {"plugin.wasm": b"b"})
    (tmp_path / "secret").write_text("secret")
    own = root / "store" / DIGEST / "plugin.wasm"
    own.unlink()
    own.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        folder.read(DIGEST, "plugin.wasm", max_bytes=10)
    own.unlink()
    own.hardlink_to(tmp_path / "secret")
    with pytest.raises(PermissionError):
        folder.read(DIGEST, "plugin.wasm", max_bytes=10)


def test_what_is_no_plain_file_is_not_read(folder: PluginFiles, root: Path):
    os.mkfifo(root / "pipe")
    with pytest.raises(PermissionError):
        folder.read_own("pipe", max_bytes=10)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"123")
    assert read_plain(str(tmp_path / "f"), max_bytes=3) == b"123"
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_plain(str(tmp_path / "f"), max_bytes=2)


def test_what_is_not_there_is_told(folder: PluginFiles):
    assert folder.names(DIGEST) == frozenset()
    assert folder.read_own("lock.json", max_bytes=1) is None
    with pytest.raises(FileNotFoundError):
        folder.read(DIGEST, "plugin.wasm", max_bytes=1)
    folder.remove(DIGEST)


def test_a_failed_write_leaves_nothing(folder: PluginFiles, root: Path, monkeypatch):
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    folder.replace_own("lock.json", b"old")
    with monkeypatch.context() as patch:
        patch.setattr(unit.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            folder.keep(DIGEST, {"plugin.wasm": b"b"})
        with pytest.raises(OSError, match="No space"):
            folder.replace_own("lock.json", b"new")
    assert sorted(one.name for one in root.iterdir()) == ["lock.json", "store"]
    assert folder.names(DIGEST) == frozenset()
    assert folder.read_own("lock.json", max_bytes=10) == b"old"


def test_a_file_of_the_folder_is_replaced_in_one_step(folder: PluginFiles, root: Path):
    folder.replace_own("lock.json", b"one")
    folder.replace_own("lock.json", b"two")
    assert folder.read_own("lock.json", max_bytes=10) == b"two"
    assert mode(root / "lock.json") == 0o600


def test_a_torn_end_is_cut_off_before_something_is_appended(folder: PluginFiles, root: Path):
    folder.append_own("log.jsonl", b"one\n", at=0)
    folder.append_own("log.jsonl", b"two\nhal", at=4)
    folder.append_own("log.jsonl", b"three\n", at=8)
    assert folder.read_own("log.jsonl", max_bytes=100) == b"one\ntwo\nthree\n"
    assert mode(root / "log.jsonl") == 0o600


def test_what_nobody_needs_is_swept(folder: PluginFiles, root: Path, tmp_path: Path):
    folder.keep(DIGEST, {"plugin.wasm": b"b"})
    folder.keep(OTHER, {"plugin.wasm": b"b"})
    (root / "new-1234").mkdir()
    (root / "new-5678").write_text("half a lock")
    (tmp_path / "kept").mkdir()
    (root / "new-link").symlink_to(tmp_path / "kept")
    (root / "store" / "README").write_text("not ours to delete")
    folder.sweep(frozenset({OTHER}))
    assert sorted(one.name for one in root.iterdir()) == ["store"]
    assert sorted(one.name for one in (root / "store").iterdir()) == ["README", OTHER]
    assert (tmp_path / "kept").is_dir()


def test_people_are_told_what_to_do():
    assert "No space left" in disk_failure(OSError(28, "No space left on device")).message
    assert "check its rights" in disk_failure(OSError("x")).message
