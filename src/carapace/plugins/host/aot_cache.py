"""Compiled plugins on disk, each with a mark that only we can make.

A compiled plugin is native code: whoever may write into this folder could run anything in a
worker. So nothing is taken from it on trust. A file is copied to where nobody can change it,
the copy is checked against its mark, and that very copy is what the worker loads. The mark
also covers the file's name: one plugin's code cannot be put in the place of another's.

A file is 32 bytes of HMAC-SHA256, then the code. What is wrong in any way is removed, told to
the audit trail, and compiled again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
import threading
from pathlib import Path
from typing import Final

from carapace.errors import Failed
from carapace.plugins.host.sealed import Artifact, authentic, seal_file
from carapace.plugins.ports import KeyVault
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger

__all__ = ["MAX_COMPILED_BYTES", "AotCache", "cache_name", "open_aot_cache"]

_log = get_logger(__name__)

MAX_COMPILED_BYTES: Final = 256 * 1024 * 1024
_MAX_TOTAL_BYTES: Final = 2 * 1024 * 1024 * 1024
_KEY_NAME: Final = "plugin-cache-key"
_KEY_BYTES: Final = 32
_MARK_BYTES: Final = hashlib.sha256().digest_size
_DOMAIN: Final = b"carapace compiled plugin 1:"
_SUFFIX: Final = ".compiled"
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


def cache_name(wasm_sha256: str, compiled_for: str) -> str:
    """Under which name a compiled plugin is kept: one for each thing it depends on. Pure.

    Args:
        wasm_sha256: Of the component, in hex.
        compiled_for: Engine, its version and settings, system and processor.
    """
    return hashlib.sha256(f"{wasm_sha256}|{compiled_for}".encode()).hexdigest()


async def open_aot_cache(folder: Path, vault: KeyVault, *, audit: Audit) -> AotCache:
    """The cache in `folder`, with the key from the vault; both are made if need be.

    Raises:
        Failed: If the vault cannot be read, or holds something else under that name.
    """
    text = await vault.get_or_put(_KEY_NAME, _new_key)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise Failed(
            f"the vault's secret {_KEY_NAME} is no key: delete it, and plugins are compiled anew"
        )
    return AotCache(folder, key, audit=audit)


class AotCache:
    """The folder.

    Args:
        folder: Made with mode 0700; everything in it is ours.
        key: 32 bytes.
        audit: Hears of files that are not what we wrote.
        max_total_bytes: The longest unused files go when there is more.
    """

    def __init__(
        self, folder: Path, key: bytes, *, audit: Audit, max_total_bytes: int = _MAX_TOTAL_BYTES
    ) -> None:
        self._folder = folder
        self._key = key
        self._audit = audit
        self._max_total_bytes = max_total_bytes
        self._lock = threading.Lock()  # the folder is swept and written by one thread at a time

    async def take(self, name: str) -> Artifact | None:
        """The compiled plugin of that name, checked and sealed; None if there is none to trust."""
        return await asyncio.to_thread(self._take, name)

    async def keep(self, name: str, compiled: Artifact) -> None:
        """Write it down for next time; a disk that does not take it costs only that."""
        await asyncio.to_thread(self._keep, name, compiled)

    async def forget(self, name: str) -> None:
        """Remove it, if it is there."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _take(self, name: str) -> Artifact | None:
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC | _NO_FOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._refuse(name, f"it cannot be opened ({error.strerror})")
        try:
            os.utime(fd)  # when it was used last
            artifact = self._checked(fd, name)
        except (OSError, _Forged) as error:
            return self._refuse(name, str(error))
        finally:
            os.close(fd)
        return artifact

    def _checked(self, fd: int, name: str) -> Artifact:
        """A sealed copy whose mark is right.

        Raises:
            _Forged: If anything is not as we leave it.
            OSError: If it cannot be read.
        """
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
            raise _Forged("it is no file of ours")
        if found.st_mode & 0o077:
            raise _Forged("others may use it")
        mark = os.pread(fd, _MARK_BYTES, 0)
        artifact = seal_file(fd, offset=_MARK_BYTES, max_bytes=MAX_COMPILED_BYTES)
        if not hmac.compare_digest(mark, self._mark(artifact, name)):
            artifact.close()
            raise _Forged("its mark is wrong")
        return artifact

    def _mark(self, artifact: Artifact, name: str) -> bytes:
        return authentic(artifact, self._key, _DOMAIN + name.encode())

    def _refuse(self, name: str, why: str) -> None:
        _log.warning("a compiled plugin is not trusted", file=name, reason=why)
        self._audit.record(AuditKind.PLUGIN_CACHE_REFUSED, file=name, reason=why)
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("and cannot be removed", file=name, reason=str(error))

    def _keep(self, name: str, compiled: Artifact) -> None:
        try:
            with self._lock:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folder.chmod(0o700)
                self._write(name, compiled)
                self._sweep(self._path(name))
        except OSError as error:
            _log.warning("a compiled plugin was not kept", file=name, reason=str(error))

    def _write(self, name: str, compiled: Artifact) -> None:
        draft = self._folder / f".{secrets.token_hex(8)}"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | _NO_FOLLOW, 0o400)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(self._mark(compiled, name))
                offset = 0
                while piece := os.pread(compiled.fd, 1 << 20, offset):
                    offset += file.write(piece)
            draft.replace(self._path(name))
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _sweep(self, newest: Path) -> None:
        """Drop drafts of a crash, and the longest unused until the rest fits."""
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            if path == newest or not path.is_file():
                continue
            if path.suffix != _SUFFIX:
                path.unlink(missing_ok=True)
                continue
            found = path.lstat()
            kept.append((found.st_mtime, found.st_size, path))
        room = self._max_total_bytes - newest.stat().st_size
        for _, size, path in sorted(kept, reverse=True):
            room -= size
            if room < 0:
                path.unlink(missing_ok=True)


class _Forged(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The file is not one that we wrote."""


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
