"""The head of a vault file: which key opens it. Bound to every entry as associated data."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["KeyInfo", "Source", "VaultFile", "associated"]

Source = Literal["passphrase", "keyring", "file"]


class KeyInfo(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Where the key that wraps the data key comes from.

    Attributes:
        source: A passphrase, the desktop's keyring, or a key file.
        id: Random name of this vault; part of the key file's or keyring entry's name.
        salt: Base64; only for a passphrase, as are the three Argon2id costs (RFC 9106).
    """

    source: Source
    id: str
    salt: str | None = None
    memory_kib: int | None = None
    iterations: int | None = None
    lanes: int | None = None


class VaultFile(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The whole file. `wrapped_key` and the entries are base64 of nonce and ciphertext."""

    format: Literal["carapace-vault"]
    version: Literal[1]
    key: KeyInfo
    wrapped_key: str
    entries: dict[str, str]


def associated(key: KeyInfo, name: str) -> bytes:
    """What a ciphertext is bound to: this vault's head, and the entry's own name."""
    return b"carapace-vault 1\n" + msgspec.json.encode(key, order="sorted") + b"\n" + name.encode()
