from __future__ import annotations

import os
import stat

import pytest

from carapace.config.files import BACKUPS, replace_file, text_hash, write_config
from carapace.errors import Refused


def test_a_new_file_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "c.json"
    write_config(path, "{}", base_hash=None)
    assert path.read_text() == "{}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_five_older_files_are_kept(tmp_path):
    path = tmp_path / "c.json"
    write_config(path, "0", base_hash=None)
    for n in range(1, 9):
        write_config(path, str(n), base_hash=text_hash(str(n - 1)))
    names = ["c.json", "c.json.bak", *(f"c.json.bak.{n}" for n in range(1, BACKUPS))]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(names)
    assert [(tmp_path / name).read_text() for name in names] == ["8", "7", "6", "5", "4", "3"]


def test_a_write_without_base_hash_is_refused_in_known_words(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("a")
    with pytest.raises(Refused) as caught:
        write_config(path, "b", base_hash=None)
    assert caught.value.message == "config base hash required; re-run config.get and retry"


def test_a_write_over_something_newer_is_refused_in_known_words(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("a")
    with pytest.raises(Refused) as caught:
        write_config(path, "b", base_hash=text_hash("older"))
    assert caught.value.message == "config changed since last load; re-run config.get and retry"
    assert path.read_text() == "a"


def test_a_byte_order_mark_does_not_change_the_hash(tmp_path):
    path = tmp_path / "c.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    write_config(path, "{a: 1}", base_hash=text_hash("{}"))
    assert path.read_text() == "{a: 1}"


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "dots").mkdir()
    real = tmp_path / "dots" / "c.json"
    real.write_text("a")
    link = tmp_path / "c.json"
    link.symlink_to(real)
    write_config(link, "b", base_hash=text_hash("a"))
    assert link.is_symlink()
    assert real.read_text() == "b"


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path, monkeypatch):
    path = tmp_path / "c.json"
    path.write_text("old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["c.json"]
    assert path.read_text() == "old"


def test_no_file_hashes_as_no_text():
    assert text_hash(None) == text_hash("")
