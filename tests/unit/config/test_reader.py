from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.config.reader import MAX_FILE_BYTES, DiskReader, KeptReader, ReadError


def test_text_is_read_without_its_byte_order_mark(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfhi")
    assert DiskReader().read(tmp_path / "a") == "hi"


def test_a_missing_file_is_told_apart_from_a_broken_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        DiskReader().read(tmp_path / "none")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ReadError, match="not a plain file"):
        DiskReader().read(tmp_path)


def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadError, match="not a plain file"):
        DiskReader().read(tmp_path / "pipe")


def test_a_large_file_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(ReadError, match="larger than"):
        DiskReader().read(tmp_path / "a")


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"a\xff")
    with pytest.raises(ReadError, match="byte 1"):
        DiskReader().read(tmp_path / "a")


def test_what_the_system_refuses_is_told(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ReadError, match="cannot be read"):
        DiskReader().read(tmp_path / "loop")


def test_kept_texts_are_found_by_real_path(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    reader = KeptReader({str(Path(os.path.realpath(tmp_path)) / "a"): "kept"})
    assert reader.read(tmp_path / "link") == "kept"
    with pytest.raises(FileNotFoundError):
        reader.read(tmp_path / "b")
