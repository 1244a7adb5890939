"""Where the key to the vault comes from.

A passphrase file, if one is given (also as a systemd credential); else the desktop's keyring,
if there is one that answers at once; else a key file in a folder apart from the state. The
key file protects backups and copies of the state folder. It does not protect against a
program that runs as the same user: that one can read both.

An existing vault names its source, and only that one is asked: falling back to another would
mean a new empty vault in place of a locked one.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from carapace.credentials.header import KeyInfo
from carapace.credentials.keyring import Keyring, OsKeyring, is_desktop, within
from carapace.errors import Failed

__all__ = ["KEY_BYTES", "KeySources", "key_folder"]

KEY_BYTES: Final = 32
_SALT_BYTES: Final = 16
_MEMORY_KIB: Final = 65_536
_ITERATIONS: Final = 3
_LANES: Final = 4
_MAX_MEMORY_KIB: Final = 1_048_576
_FIRST_DEADLINE_S: Final = 1.0
_UNLOCK_DEADLINE_S: Final = 10.0
_MAX_PASSPHRASE_BYTES: Final = 4096
_SYSTEMD_NAME: Final = "carapace-vault-passphrase"


def key_folder(env: Mapping[str, str], home: Path) -> Path:
    """Where key files live: `CARAPACE_VAULT_KEY_DIR`, else apart from the state folder."""
    if given := env.get("CARAPACE_VAULT_KEY_DIR"):
        return Path(given).expanduser()
    base = env.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home / ".config") / "carapace"


class KeySources:
    """Makes and finds wrapping keys of 32 bytes.

    Args:
        env: The process's environment.
        folder: For key files; made with mode 0700 when first needed.
        keyring: The desktop's, or a stand-in at that boundary.
    """

    def __init__(
        self, env: Mapping[str, str], folder: Path, *, keyring: Keyring | None = None
    ) -> None:
        self._env = env
        self._folder = folder
        self._keyring = keyring or OsKeyring()

    async def create(self) -> tuple[KeyInfo, bytes]:
        """A source for a new vault, and its key.

        Raises:
            Failed: If a passphrase file is named but unusable, or no key file can be written.
        """
        vault_id = secrets.token_hex(8)
        if self._passphrase_path() is not None:
            salt = secrets.token_bytes(_SALT_BYTES)
            info = KeyInfo(
                source="passphrase",
                id=vault_id,
                salt=base64.b64encode(salt).decode(),
                memory_kib=_MEMORY_KIB,
                iterations=_ITERATIONS,
                lanes=_LANES,
            )
            return info, await self.unlock(info)
        key = secrets.token_bytes(KEY_BYTES)
        if is_desktop(self._env) and await self._keep_in_keyring(vault_id, key):
            return KeyInfo(source="keyring", id=vault_id), key
        await asyncio.to_thread(self._write_key_file, vault_id, key)
        return KeyInfo(source="file", id=vault_id), key

    async def unlock(self, info: KeyInfo) -> bytes:
        """The key of an existing vault.

        Raises:
            Failed: If its source does not give it; the text says what to do.
        """
        match info.source:
            case "passphrase":
                return await asyncio.to_thread(self._from_passphrase, info)
            case "keyring":
                return await self._from_keyring(info)
            case "file":
                return await asyncio.to_thread(self._from_key_file, info)

    def discard(self, info: KeyInfo) -> None:
        """Forget a key that was made for a vault which another process made first."""
        if info.source == "file":
            self._key_path(info.id).unlink(missing_ok=True)

    async def _keep_in_keyring(self, vault_id: str, key: bytes) -> bool:
        """Write and read back; False if it refuses or does not answer within a second."""
        text = base64.b64encode(key).decode()

        def round_trip() -> bool:
            self._keyring.put(f"vault-{vault_id}", text)
            return self._keyring.get(f"vault-{vault_id}") == text

        try:
            return await within(_FIRST_DEADLINE_S, round_trip)
        except (Failed, TimeoutError):
            return False

    async def _from_keyring(self, info: KeyInfo) -> bytes:
        try:
            text = await within(_UNLOCK_DEADLINE_S, lambda: self._keyring.get(f"vault-{info.id}"))
        except (Failed, TimeoutError) as error:
            raise Failed(
                "the vault's key is in the desktop's keyring, which does not answer: unlock "
                "the keyring (log in to the desktop) and start again"
            ) from error
        return _key(text, "the desktop's keyring has no key for this vault")

    def _from_passphrase(self, info: KeyInfo) -> bytes:
        path = self._passphrase_path()
        if path is None:
            raise Failed(
                "the vault is locked with a passphrase: set CARAPACE_VAULT_PASSPHRASE_FILE to "
                f"the file that holds it, or load the systemd credential {_SYSTEMD_NAME}"
            )
        passphrase = _read_passphrase(path)
        if not (info.salt and info.memory_kib and info.iterations and info.lanes):
            raise Failed("the vault's head lacks the parameters of its passphrase")
        if info.memory_kib > _MAX_MEMORY_KIB:
            raise Failed("the vault's head asks for more memory than any of ours does")
        kdf = Argon2id(
            salt=base64.b64decode(info.salt),
            length=KEY_BYTES,
            iterations=info.iterations,
            lanes=info.lanes,
            memory_cost=info.memory_kib,
        )
        return kdf.derive(passphrase)

    def _passphrase_path(self) -> Path | None:
        if given := self._env.get("CARAPACE_VAULT_PASSPHRASE_FILE"):
            return Path(given).expanduser()
        if folder := self._env.get("CREDENTIALS_DIRECTORY"):
            path = Path(folder) / _SYSTEMD_NAME
            return path if path.is_file() else None
        return None

    def _key_path(self, vault_id: str) -> Path:
        return self._folder / f"vault-{vault_id}.key"

    def _write_key_file(self, vault_id: str, key: bytes) -> None:
        path = self._key_path(vault_id)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(key) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Failed(
                f"the vault's key file cannot be written to {path} ({error.strerror}): make the "
                "folder writable, or set CARAPACE_VAULT_KEY_DIR or "
                "CARAPACE_VAULT_PASSPHRASE_FILE"
            ) from error

    def _from_key_file(self, info: KeyInfo) -> bytes:
        path = self._key_path(info.id)
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise Failed(
                f"the vault's key file {path} cannot be read: put it back from your backup, or "
                "set CARAPACE_VAULT_KEY_DIR to where it is"
            ) from error
        return _key(text, f"the vault's key file {path} holds no key")


def _key(text: str | None, why_not: str) -> bytes:
    try:
        key = base64.b64decode((text or "").strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise Failed(f"{why_not}: put it back from your backup")
    return key


def _read_passphrase(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            passphrase = file.read(_MAX_PASSPHRASE_BYTES).strip(b"\r\n")
    except OSError as error:
        raise Failed(
            f"the vault's passphrase file {path} cannot be read ({error.strerror}): check its "
            "path and permissions"
        ) from error
    if not passphrase:
        raise Failed(f"the vault's passphrase file {path} is empty: write the passphrase into it")
    return passphrase
