"""A file on its way in knows its room, its hash and what it is."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from carapace.errors import Failed, Refused
from carapace.media import files as media_files
from carapace.media.files import MediaFiles
from carapace.media.incoming import Incoming
from carapace.media.quota import Quota
from carapace.media.types import ANY_KIND, MediaKind
from support.media import PNG


@pytest.fixture
def files(tmp_path: Path):
    opened = MediaFiles(tmp_path / "media")
    yield opened
    opened.close()


def test_it_ends_as_an_item(files: MediaFiles):
    quota = Quota(1000)
    incoming = Incoming(files.new(), quota, "test")
    assert incoming.reserve(len(PNG))
    assert not incoming.reserve(1000)
    incoming.write(PNG[:10])
    incoming.write(PNG[10:])
    item = incoming.keep("a.png", 5, ANY_KIND)
    incoming.settle()
    assert (item.size_bytes, item.content_type, item.created_at_ms) == (len(PNG), "image/png", 5)
    assert item.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (quota.stored_bytes, quota.reserved_bytes) == (len(PNG), 0)


def test_a_kind_that_is_not_taken_is_named_and_goes(files: MediaFiles):
    quota = Quota(1000)
    incoming = Incoming(files.new(), quota, "test")
    assert incoming.reserve(4)
    incoming.write(b"text")
    with pytest.raises(Refused, match=r"text/plain.*send one of audio, image"):
        incoming.keep(None, 5, frozenset({MediaKind.IMAGE, MediaKind.AUDIO}))
    incoming.undo()
    incoming.give_back()
    assert quota.reserved_bytes == 0
    assert files.drop_unfinished() == 0


def test_a_disk_that_fails_is_told_in_words(files: MediaFiles, monkeypatch):
    def refuse(*args: object, **kwargs: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    incoming = Incoming(files.new(), Quota(1000), "test")
    with monkeypatch.context() as patch:
        patch.setattr(media_files.os, "write", refuse)
        with pytest.raises(Failed, match="Input/output error"):
            incoming.write(b"x")
    incoming.write(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(media_files.os, "fsync", refuse)
        with pytest.raises(Failed, match="Input/output error"):
            incoming.keep(None, 5, ANY_KIND)
    with monkeypatch.context() as patch:
        patch.setattr(media_files.os, "unlink", refuse)
        incoming.undo()
    incoming.undo()
    assert files.drop_unfinished() == 0
