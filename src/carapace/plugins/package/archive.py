"""`<id>-<version>.carapace-plugin`: a zip file with exactly the files of a package.

Read as if an enemy wrote it (advisories F18, G07): three names and no others, plain files, no
encryption, nothing before or after, and no more bytes than are allowed, whatever the
zip says about sizes. Nothing is ever unpacked by the names that stand in it.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from typing import Final

from carapace.plugins.package.contents import (
    MANIFEST_NAME,
    MAX_WASM_BYTES,
    SIGNATURE_NAME,
    WASM_NAME,
    Contents,
)
from carapace.plugins.package.manifest import MAX_MANIFEST_BYTES, Manifest
from carapace.plugins.package.signature import MAX_SIGNATURE_BYTES
from carapace.plugins.state import PluginRefused, Refusal

__all__ = ["MAX_ARCHIVE_BYTES", "SUFFIX", "archive_name", "pack", "unpack"]

SUFFIX: Final = ".carapace-plugin"
MAX_ARCHIVE_BYTES: Final = MAX_WASM_BYTES + 1024 * 1024

_CAPS: Final = {
    MANIFEST_NAME: MAX_MANIFEST_BYTES,
    WASM_NAME: MAX_WASM_BYTES,
    SIGNATURE_NAME: MAX_SIGNATURE_BYTES,
}
_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_MAX_DIRECTORY_BYTES: Final = 2048
_IS_ENCRYPTED: Final = 0x1
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = (stat.S_IFREG | 0o644) << 16
_UNIX: Final = 3


def archive_name(manifest: Manifest) -> str:
    """How the file of a package is called."""
    return f"{manifest.id}-{manifest.version}{SUFFIX}"


def pack(contents: Contents) -> bytes:
    """The package as one file; the same contents give the same bytes."""
    files = {
        MANIFEST_NAME: contents.manifest,
        WASM_NAME: contents.wasm,
        SIGNATURE_NAME: contents.signature,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in files.items():
            if data is not None:
                info = zipfile.ZipInfo(name, _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = _UNIX
                info.external_attr = _PLAIN_FILE
                archive.writestr(info, data)
    return buffer.getvalue()


def unpack(data: bytes) -> Contents:
    """Take a package apart. Blocks for as long as inflating 64 MiB takes: call it in a thread.

    Raises:
        PluginRefused: If it is anything else than a package.
    """
    _check_frame(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_count(data, infos)
            _check_names([info.filename for info in infos])
            files = {info.filename: _read(archive, info) for info in infos}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise _refused(f"it is a broken zip file ({error})") from error
    return Contents(files[MANIFEST_NAME], files[WASM_NAME], files.get(SIGNATURE_NAME))


def _check_frame(data: bytes) -> None:
    """A zip file from the first byte to the last, with a small directory.

    Looked at before the library reads the directory: one with a million entries would keep it
    busy, and it would be content with a zip file somewhere inside of another file.
    """
    end = data[-_END_BYTES:]
    if len(data) > MAX_ARCHIVE_BYTES:
        raise _refused(f"it is larger than {MAX_ARCHIVE_BYTES} bytes")
    if not data.startswith(b"PK\x03\x04") or not end.startswith(_END) or end[20:] != b"\x00\x00":
        raise _refused("it is no zip file, or there is something before or after it")
    count, size, start = (
        int.from_bytes(end[a:b], "little") for a, b in ((10, 12), (12, 16), (16, 20))
    )
    if count > len(_CAPS) or size > _MAX_DIRECTORY_BYTES or start + size + _END_BYTES != len(data):
        raise _refused("its list of files is not that of a package")


def _check_count(data: bytes, infos: list[zipfile.ZipInfo]) -> None:
    """As many files as the end of the list says.

    The library does not look at that number. A length that is wrong makes one entry swallow the
    next as its comment, and a package would lose its signature without a word.
    """
    count = int.from_bytes(data[-_END_BYTES:][10:12], "little")
    if count != len(infos):
        raise _refused(f"its list says {count} files and names {len(infos)}")


def _check_names(names: list[str]) -> None:
    if len(set(names)) != len(names) or not {MANIFEST_NAME, WASM_NAME} <= set(names) <= set(_CAPS):
        shown = ", ".join(repr(name[:60]) for name in names)
        raise _refused(
            f"it holds {shown}, not just {MANIFEST_NAME}, {WASM_NAME} and {SIGNATURE_NAME}"
        )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where a tool knows nothing of file types
    if kind not in {0, stat.S_IFREG}:
        raise _refused(f"{info.filename} is not a plain file")
    if info.flag_bits & _IS_ENCRYPTED or info.compress_type not in _METHODS:
        raise _refused(f"{info.filename} is encrypted, or packed in an unusual way")
    cap = _CAPS[info.filename]
    with archive.open(info) as file:
        found = file.read(cap + 1)  # and the end with it, where the library checks the CRC
        if len(found) > cap:
            raise _refused(f"{info.filename} is larger than {cap} bytes")
    return found


def _refused(why: str) -> PluginRefused:
    return PluginRefused(
        Refusal.ARCHIVE,
        f"The file is no package of a plugin: {why}. Get it anew, or make it with cara plugin pack",
    )
