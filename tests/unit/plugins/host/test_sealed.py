"""What was sealed stays as it is, and is what the child reads."""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from pathlib import Path

import pytest

from carapace.plugins.host import sealed
from carapace.plugins.host.sealed import Artifact, Draft, authentic, digest, seal_file
from support.descriptors import of_children
from support.plugin_house import sealed as sealed_bytes


def everything(artifact: Artifact) -> bytes:
    return os.pread(artifact.fd, artifact.size_bytes + 1, 0)


def test_sealed_bytes_are_those_that_were_written_and_begin_at_the_begin():
    with sealed_bytes(b"ab" * 100_000) as artifact:
        assert artifact.size_bytes == 200_000
        assert os.read(artifact.fd, 4) == b"abab"
        assert everything(artifact) == b"ab" * 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's seals are Linux's own")
def test_nobody_can_write_shrink_or_grow_them():
    with sealed_bytes(b"code") as artifact:
        for attempt in (
            lambda: os.pwrite(artifact.fd, b"evil", 0),
            lambda: os.ftruncate(artifact.fd, 1),
            lambda: os.ftruncate(artifact.fd, 100),
        ):
            with pytest.raises(PermissionError):
                attempt()
        again = os.open(f"/proc/self/fd/{artifact.fd}", os.O_RDWR)
        try:
            with pytest.raises(PermissionError):
                os.write(again, b"evil")
        finally:
            os.close(again)
        assert everything(artifact) == b"code"


def test_an_older_kernel_gets_along_without_the_newest_flag(monkeypatch: pytest.MonkeyPatch):
    real = os.memfd_create

    def old(name: str, flags: int) -> int:
        if flags & 0x8:
            raise OSError(22, "Invalid argument")
        return real(name, flags)

    monkeypatch.setattr(os, "memfd_create", old)
    with sealed_bytes(b"code") as artifact:
        assert everything(artifact) == b"code"


def test_other_systems_use_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sealed.sys, "platform", "darwin")
    monkeypatch.setattr(sealed.tempfile, "tempdir", str(tmp_path))
    with sealed_bytes(b"code") as artifact:
        assert list(tmp_path.iterdir()) == []
        assert everything(artifact) == b"code"
        assert os.read(artifact.fd, 4) == b"code"


def test_a_file_that_keeps_its_name_is_no_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def stuck(path: str) -> None:
        raise PermissionError(path)

    before = of_children()
    monkeypatch.setattr(sealed.sys, "platform", "darwin")
    monkeypatch.setattr(sealed.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "unlink", stuck)
    with pytest.raises(PermissionError):
        Draft()
    assert not of_children() - before


def test_a_copy_of_a_file_begins_where_it_should_and_is_not_its_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"mark" + b"code" * 1_000_000)
    fd = os.open(path, os.O_RDONLY)
    try:
        with seal_file(fd, offset=4, max_bytes=5_000_000) as artifact:
            path.write_bytes(b"something else")
            assert everything(artifact) == b"code" * 1_000_000
    finally:
        os.close(fd)


def test_a_file_that_is_too_long_is_not_copied(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 11)
    fd = os.open(path, os.O_RDONLY)
    before = of_children()
    try:
        with pytest.raises(OSError, match="longer than 10 bytes"):
            seal_file(fd, max_bytes=10)
        assert not of_children() - before
    finally:
        os.close(fd)


@pytest.mark.parametrize("data", [b"", b"x", b"code" * 300_000])
def test_digest_and_mark_are_of_exactly_these_bytes(data: bytes):
    with sealed_bytes(data) as artifact:
        assert digest(artifact) == hashlib.sha256(data).hexdigest()
        mark = hmac.new(b"k" * 32, b"name\0" + data, hashlib.sha256).digest()
        assert authentic(artifact, b"k" * 32, b"name") == mark


def test_a_closed_artifact_has_no_descriptor_and_may_be_closed_again():
    artifact = sealed_bytes(b"x")
    artifact.close()
    artifact.close()
    with pytest.raises(ValueError, match="closed"):
        _ = artifact.fd


def test_an_artifact_that_nobody_took_lets_go_by_itself():
    artifact = sealed_bytes(b"x")
    fd = artifact.fd
    del artifact
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_draft_that_cannot_be_sealed_is_gone(monkeypatch: pytest.MonkeyPatch):
    draft = Draft()

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "lseek", refuse)
    with pytest.raises(OSError, match="no"):
        draft.seal()
    draft.discard()
