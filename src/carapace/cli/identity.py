"""The command line's own device: an Ed25519 key in the vault, and how it signs a connect.

With it a local `cara` is paired silently and may administer; without one it would get no
more than the shared credential gives.
"""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carapace.auth.device import device_id_of, signed_text
from carapace.protocol.connect import ConnectParams, DeviceProof

__all__ = ["VAULT_NAME", "Identity", "new_seed"]

VAULT_NAME: Final = "cli-device-key"


def new_seed() -> str:
    """A fresh private key as the vault keeps it: base64 of 32 bytes."""
    return base64.b64encode(os.urandom(32)).decode()


class Identity:
    """A device.

    Args:
        seed: As `new_seed` makes it.
    """

    __slots__ = ("_key", "id", "public_key")

    def __init__(self, seed: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))
        raw = self._key.public_key().public_bytes_raw()
        self.id = device_id_of(raw)
        self.public_key = _base64url(raw)

    def sign(
        self, params: ConnectParams, *, role: str, nonce: str, signed_at: int
    ) -> ConnectParams:
        """`params` with this device's proof over them (signature v2, protocol 3 section 2.2)."""
        from msgspec.structs import replace  # noqa: PLC0415 - beside its only use

        unsigned = DeviceProof(self.id, self.public_key, "-", signed_at, nonce)
        bound = replace(params, device=unsigned)
        signature = self._key.sign(signed_text(bound, role=role, nonce=nonce).encode())
        return replace(bound, device=replace(unsigned, signature=_base64url(signature)))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
