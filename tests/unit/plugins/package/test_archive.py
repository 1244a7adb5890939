"""A package file is a zip with exactly its three files, or it is refused."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest

from carapace.plugins.package.archive import MAX_ARCHIVE_BYTES, archive_name, pack, unpack
from carapace.plugins.package.contents import Contents
from carapace.plugins.package.manifest import MAX_MANIFEST_BYTES, parse_manifest
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import contents


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(PluginRefused) as caught:
        unpack(data)
    assert caught.value.refusal is Refusal.ARCHIVE
    return caught.value.message


PLAIN = (("plugin.toml", b"a"), ("plugin.wasm", b"b"))


def info(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    made.create_system = 3
    return made


@pytest.mark.parametrize("given", [contents(), contents(key=None)])
def test_what_was_packed_is_unpacked(given):
    assert unpack(pack(given)) == given


def test_the_same_contents_give_the_same_bytes():
    assert pack(contents()) == pack(contents())


def test_the_name_says_what_is_in_it():
    manifest = parse_manifest(contents().manifest)
    assert archive_name(manifest) == "hello-1.0.0.carapace-plugin"


def test_a_zip_of_another_tool_is_fine():
    assert unpack(zipped(*PLAIN)) == Contents(b"a", b"b")


@pytest.mark.parametrize(
    "names",
    [
        ("plugin.toml",),
        ("plugin.wasm", "plugin.sig"),
        ("plugin.toml", "../plugin.wasm"),
        ("plugin.toml", "/plugin.wasm"),
        ("plugin.toml", "plugin.wasm/"),
        ("plugin.toml", "PLUGIN.WASM"),
        ("plugin.toml", "plugin.wasm", ".npmrc"),
        ("x/plugin.toml", "x/plugin.wasm"),
    ],
)
def test_other_names_are_refused(names):
    assert "not just plugin.toml" in refused(zipped(*((name, b"x") for name in names)))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused():
    data = zipped(("plugin.toml", b"a"), ("plugin.wasm", b"b"), ("plugin.wasm", b"c"))
    assert "not just" in refused(data)


def test_many_entries_are_refused_before_they_are_read():
    data = zipped(*((f"f{number}", b"") for number in range(70_000 // 20)))
    assert "its list of files" in refused(data)


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o600, stat.S_IFIFO | 0o600])
def test_links_and_devices_are_refused(mode):
    data = zipped(("plugin.toml", b"a"), (info("plugin.wasm", mode), b"/etc/passwd"))
    assert "not a plain file" in refused(data)


def test_a_bomb_is_refused():
    bomb = zipped(
        ("plugin.toml", b"\0" * (MAX_MANIFEST_BYTES + 1)),
        ("plugin.wasm", b""),
        compression=zipfile.ZIP_DEFLATED,
    )
    assert len(bomb) < 1_000
    assert "larger than" in refused(bomb)


def test_a_size_that_lies_is_refused():
    data = bytearray(zipped(*PLAIN))
    central = data.rindex(b"PK\x01\x02")
    data[central + 20 : central + 28] = (2**31 - 1).to_bytes(4, "little") * 2
    assert "broken zip file" in refused(bytes(data))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_ways_of_packing_are_refused(compression):
    assert "unusual way" in refused(zipped(*PLAIN, compression=compression))


def test_encrypted_files_are_refused():
    data = bytearray(zipped(*PLAIN))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    assert "encrypted" in refused(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"#!/bin/sh\n" + zipped(*PLAIN),
        zipped(*PLAIN) + b"x",
        zipped(*PLAIN)[:-1],
        zipped(*PLAIN) + zipped(*PLAIN),
        b"\x1f\x8b" + b"0" * 100,
    ],
)
def test_there_is_nothing_before_and_nothing_after(data):
    refused(data)


def test_a_comment_is_refused():
    buffer = io.BytesIO(zipped(*PLAIN))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"hello"
    refused(buffer.getvalue())


def test_a_flipped_byte_of_a_file_is_noticed():
    data = bytearray(zipped(*PLAIN))
    data[data.index(b"plugin.wasm") + len(b"plugin.wasm")] ^= 1
    assert "broken zip file" in refused(bytes(data))


def test_a_file_that_is_too_long_is_not_looked_at():
    assert "larger than" in refused(bytes(MAX_ARCHIVE_BYTES + 1))
