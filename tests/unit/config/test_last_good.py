from __future__ import annotations

import stat
from pathlib import Path

from carapace.config.last_good import Kept, keep, recall


def test_what_is_kept_comes_back(tmp_path):
    path = tmp_path / "state" / "good.json"
    kept = Kept("/c/a.json", {"/c/a.json": "{}", "/c/b.json": "[]"})
    assert keep(path, kept)
    assert not keep(path, kept)
    assert recall(path, Path("/c/a.json")) == kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_copy_of_another_file_is_not_used(tmp_path):
    keep(tmp_path / "g", Kept("/c/a.json", {"/c/a.json": "{}"}))
    assert recall(tmp_path / "g", Path("/c/other.json")) is None


def test_no_copy_or_a_damaged_one_is_none(tmp_path):
    assert recall(tmp_path / "g", Path("/a")) is None
    (tmp_path / "g").write_text("{")
    assert recall(tmp_path / "g", Path("/a")) is None
    (tmp_path / "g").write_text('{"root": "/a", "files": {}}')
    assert recall(tmp_path / "g", Path("/a")) is None
