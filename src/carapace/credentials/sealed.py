"""The vault as an encrypted file.

AES-256-GCM under a random data key, which is itself wrapped by the key from `keysource`: a
new passphrase re-wraps one key. Every ciphertext has a fresh 96-bit nonce and is bound to
the file's head and its own name, so entries cannot be swapped or carried to another vault.
The file has mode 0600 in a 0700 folder and is replaced in one step; a lock file keeps two
processes from overwriting each other's change.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carapace.credentials.header import KeyInfo, VaultFile, associated
from carapace.credentials.keysource import KEY_BYTES, KeySources
from carapace.errors import Failed
from carapace.value import Value

__all__ = ["FILE_NAME", "SealedVault"]

FILE_NAME: Final = "vault.json"
_KEY_ENTRY: Final = "\x00data key"
_NONCE_BYTES: Final = 12
_MAX_FILE_BYTES: Final = 4_194_304
_T = TypeVar("_T")


class _Sealer(Value, frozen=True):
    """Seals and opens texts of one vault under one key."""

    key: bytes
    info: KeyInfo

    def seal(self, name: str, plain: bytes) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self.key).encrypt(nonce, plain, associated(self.info, name))
        return base64.b64encode(nonce + sealed).decode()

    def unseal(self, name: str, text: str) -> bytes:
        try:
            data = base64.b64decode(text, validate=True)
            return AESGCM(self.key).decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], associated(self.info, name)
            )
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise Failed(
                "the vault cannot be opened: its key is another one, or the file was altered. "
                "Put both back from one backup, or move the vault file away: a new token is "
                "then made and devices must pair again"
            ) from error


class SealedVault:
    """Named secrets in an encrypted file; satisfies `ports.Vault`. Made by `open`."""

    __slots__ = ("_file", "_mutex", "_path", "_sealer", "_stamp")

    def __init__(self, path: Path, sealer: _Sealer) -> None:
        self._path = path
        self._sealer = sealer
        self._mutex = threading.Lock()
        self._file: VaultFile | None = None
        self._stamp: tuple[int, int, int] | None = None

    @classmethod
    async def open(cls, path: Path, sources: KeySources) -> SealedVault:
        """Open the vault at `path`, or make it.

        Raises:
            Failed: If its key is missing or wrong, or the file is damaged or unreadable.
        """
        found = await asyncio.to_thread(_read, path)
        if found is None:
            info, wrapping = await sources.create()
            found = await asyncio.to_thread(_create, path, info, wrapping)
            if found.key != info:
                sources.discard(info)
                wrapping = await sources.unlock(found.key)
        else:
            wrapping = await sources.unlock(found.key)
        data_key = _Sealer(wrapping, found.key).unseal(_KEY_ENTRY, found.wrapped_key)
        return cls(path, _Sealer(data_key, found.key))

    async def get(self, name: str) -> str | None:
        """The secret, or None. Sees at once what another process wrote."""
        return await asyncio.to_thread(self._get, name)

    async def put(self, name: str, value: str) -> None:
        """Keep `value` under `name`."""
        await self._change(lambda entries: self._insert(entries, name, value))

    async def get_or_put(self, name: str, make: Callable[[], str]) -> str:
        """The secret; made and kept if there is none."""
        found = await self.get(name)
        if found is not None:
            return found

        def insert(entries: dict[str, str]) -> str:
            if name in entries:
                return self._sealer.unseal(name, entries[name]).decode()
            return self._insert(entries, name, make())

        return await self._change(insert)

    async def delete(self, name: str) -> bool:
        """Forget it; whether there was one."""
        return await self._change(lambda entries: entries.pop(name, None) is not None)

    async def names(self) -> list[str]:
        """All names, sorted."""
        return await asyncio.to_thread(lambda: sorted(self._load().entries))

    def _get(self, name: str) -> str | None:
        text = self._load().entries.get(name)
        return None if text is None else self._sealer.unseal(name, text).decode()

    def _insert(self, entries: dict[str, str], name: str, value: str) -> str:
        entries[name] = self._sealer.seal(name, value.encode())
        return value

    async def _change(self, change: Callable[[dict[str, str]], _T]) -> _T:
        # Shielded: a cancelled caller must not leave the lock to a thread nobody awaits.
        return await asyncio.shield(asyncio.to_thread(self._change_locked, change))

    def _change_locked(self, change: Callable[[dict[str, str]], _T]) -> _T:
        with self._mutex, _locked(self._path):
            file = self._reload()
            entries = dict(file.entries)
            result = change(entries)
            if entries != file.entries:
                _write(self._path, msgspec.structs.replace(file, entries=entries))
            self._stamp = None
            return result

    def _load(self) -> VaultFile:
        with self._mutex:
            return self._reload()

    def _reload(self) -> VaultFile:
        stamp = _stamp(self._path)
        if self._file is None or stamp is None or stamp != self._stamp:
            file = _read(self._path)
            if file is None:
                raise Failed(f"the vault {self._path} is gone: put it back from your backup")
            self._file, self._stamp = file, stamp
        return self._file


def _create(path: Path, info: KeyInfo, wrapping: bytes) -> VaultFile:
    """Write a new empty vault, unless another process was faster: then that one."""
    with _locked(path):
        found = _read(path)
        if found is not None:
            return found
        data_key = secrets.token_bytes(KEY_BYTES)
        file = VaultFile(
            format="carapace-vault",
            version=1,
            key=info,
            wrapped_key=_Sealer(wrapping, info).seal(_KEY_ENTRY, data_key),
            entries={},
        )
        _write(path, file)
        return file


def _read(path: Path) -> VaultFile | None:
    """The file, or None if there is none.

    Raises:
        Failed: If it cannot be read or understood.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failed(f"the vault {path} cannot be read ({error.strerror})") from error
    try:
        return msgspec.json.decode(data, type=VaultFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Failed(
            f"the vault {path} is damaged: put it back from your backup, or move it away: a "
            "new token is then made and devices must pair again"
        ) from error


def _write(path: Path, file: VaultFile) -> None:
    """Replace the file in one step; on disk when this returns."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(msgspec.json.format(msgspec.json.encode(file)) + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise Failed(f"the vault {path} cannot be written ({error.strerror})") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    """Hold the vault's lock file; waits for another process's change, which is short."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Failed(
            f"the vault's folder {path.parent} cannot be used ({error.strerror})"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
