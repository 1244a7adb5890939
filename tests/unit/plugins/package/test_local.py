"""Of this machine only the place that was named is read, and no link is followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.plugins.package.archive import pack
from carapace.plugins.package.local import read
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import contents, write_files

PACKAGE = pack(contents())


def unreadable(path: Path) -> str:
    with pytest.raises(PluginRefused) as caught:
        read(path)
    assert caught.value.refusal is Refusal.SOURCE
    return caught.value.message


def test_a_file_and_a_folder_are_read(tmp_path: Path):
    (tmp_path / "p.carapace-plugin").write_bytes(PACKAGE)
    assert read(tmp_path / "p.carapace-plugin") == contents()
    assert read(write_files(tmp_path, contents())) == contents()


def test_a_folder_without_a_signature_is_unsigned(tmp_path: Path):
    assert read(write_files(tmp_path, contents(key=None))).signature is None


def test_what_is_not_there_is_told(tmp_path: Path):
    assert "cannot be read" in unreadable(tmp_path / "no")
    assert "plugin.toml cannot be read" in unreadable(tmp_path)


def test_links_and_pipes_are_not_read(tmp_path: Path):
    write_files(tmp_path / "real", contents())
    (tmp_path / "link").symlink_to(tmp_path / "real")
    unreadable(tmp_path / "link")
    wasm = tmp_path / "real" / "plugin.wasm"
    wasm.unlink()
    wasm.symlink_to("/etc/passwd")
    unreadable(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    assert "not a plain file" in unreadable(tmp_path / "pipe")
