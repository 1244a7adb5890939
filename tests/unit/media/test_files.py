"""The folder's names are ours, its modes are closed, and nobody leads us out of it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from carapace.errors import Failed
from carapace.media.files import MediaFiles, disk_failure
from carapace.media.paths import ID_PATTERN


def stored(files: MediaFiles, data: bytes = b"content") -> str:
    new = files.new()
    new.write(data)
    new.keep()
    return new.media_id


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def files(tmp_path: Path):
    opened = MediaFiles(tmp_path / "media")
    yield opened
    opened.close()


def test_a_file_is_seen_only_when_it_is_whole(files: MediaFiles, tmp_path: Path):
    new = files.new()
    assert ID_PATTERN.fullmatch(new.media_id)
    new.write(b"abc")
    new.write(memoryview(b"def"))
    assert (new.size_bytes, new.read(1, 3)) == (6, b"bcd")
    assert list(files.names()) == []
    with pytest.raises(FileNotFoundError):
        files.open(new.media_id)
    new.keep()
    assert list(files.names()) == [new.media_id]
    opened = files.open(new.media_id)
    assert opened.read(2, 100) == b"cdef"
    assert opened.fileno() > 2
    opened.close()
    opened.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        opened.read(0, 1)


def test_modes_are_closed_whatever_the_umask_says(tmp_path: Path):
    root = tmp_path / "media"
    before = os.umask(0)
    try:
        files = MediaFiles(root)
        media_id = stored(files)
        half = files.new()
    finally:
        os.umask(before)
    shard = root / media_id[2:4]
    assert {mode(path) for path in (root, root / "new", shard)} == {0o700}
    assert {mode(shard / media_id), mode(root / "new" / half.media_id)} == {0o600}
    half.discard()
    files.close()


def test_an_open_folder_is_closed_at_start(tmp_path: Path):
    (tmp_path / "media").mkdir(mode=0o755)
    MediaFiles(tmp_path / "media").close()
    assert mode(tmp_path / "media") == 0o700


def test_discarding_leaves_nothing_at_any_step(files: MediaFiles):
    new = files.new()
    new.discard()
    new.discard()
    with pytest.raises(OSError, match="Bad file descriptor"):
        new.write(b"x")
    kept = files.new()
    kept.write(b"x")
    kept.keep()
    kept.discard()
    assert list(files.names()) == []
    assert files.drop_unfinished() == 0


def test_removing_is_final_and_repeatable(files: MediaFiles):
    media_id = stored(files)
    files.remove(media_id)
    files.remove(media_id)
    files.remove("m-" + "f" * 32)
    with pytest.raises(FileNotFoundError):
        files.open(media_id)


def test_what_a_crash_left_half_written_goes(files: MediaFiles):
    files.new().write(b"half")
    files.new()
    assert files.drop_unfinished() == 2
    assert files.drop_unfinished() == 0


@pytest.mark.parametrize(
    "name", ["../secret", "m-short", "m-" + "G" * 32, "", "m-../../etc/passwd"]
)
def test_only_ids_are_opened(files: MediaFiles, name: str):
    with pytest.raises(FileNotFoundError, match="not the name"):
        files.open(name)


def test_links_in_the_folder_lead_nowhere(files: MediaFiles, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    media_id = stored(files)
    path = tmp_path / "media" / media_id[2:4] / media_id
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        files.open(media_id)
    path.unlink()
    path.hardlink_to(secret)
    with pytest.raises(PermissionError, match="not a plain file of ours"):
        files.open(media_id)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(PermissionError, match="not a plain file of ours"):
        files.open(media_id)
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError):
        files.open(media_id)
    with pytest.raises(NotADirectoryError):
        list(files.names())


@pytest.mark.parametrize("kind", ["file", "link"])
def test_the_folder_itself_must_be_plain(tmp_path: Path, kind: str):
    root = tmp_path / "media"
    if kind == "file":
        root.write_text("")
    else:
        (tmp_path / "elsewhere").mkdir()
        root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failed, match="must be a plain folder"):
        MediaFiles(root)


def test_a_full_disk_is_told_from_a_broken_one():
    full = disk_failure(OSError(errno.EDQUOT, "quota"))
    broken = disk_failure(OSError(errno.EIO, "Input/output error"))
    assert "is full" in full.message
    assert "Input/output error" in broken.message
    assert full.retryable
    assert broken.retryable
