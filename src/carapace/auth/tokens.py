"""Device tokens: derived, so that none is ever stored.

A token is HMAC-SHA256 over device, role and a generation number, under a key that lives in
the vault. hello-ok can therefore return the same token at every connect while the database
holds only the generation and a digest. A new token is a new generation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from msgspec.structs import replace

from carapace.auth.compare import digest, same_secret
from carapace.auth.records import Grant
from carapace.auth.scopes import covers, known
from carapace.credentials.ports import Vault
from carapace.ids import new_secret
from carapace.protocol.connect import HelloAuth
from carapace.protocol.scopes import Role

__all__ = ["KEY_NAME", "DeviceTokens"]

KEY_NAME: Final = "device-token-key"
_PURPOSE: Final = "carapace device token 1"


class DeviceTokens:
    """Makes and checks device tokens.

    Args:
        key: At least 32 random bytes, as text from the vault.
    """

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    @classmethod
    async def open(cls, vault: Vault) -> DeviceTokens:
        """With the vault's key; the first call makes it."""
        return cls(await vault.get_or_put(KEY_NAME, new_secret))

    def token_of(self, device_id: str, grant: Grant) -> str:
        """The present token of a grant."""
        return self._derive(device_id, grant.role, grant.generation)

    def first(self, device_id: str, role: Role, scopes: tuple[str, ...], *, now_ms: int) -> Grant:
        """A new grant with its first token, good for all of `scopes`."""
        return Grant(
            role=role,
            scopes=scopes,
            commands=(),
            token_scopes=scopes,
            generation=1,
            token_digest=digest(self._derive(device_id, role, 1)),
            issued_at_ms=now_ms,
        )

    def rotated(
        self, device_id: str, grant: Grant, token_scopes: tuple[str, ...], *, now_ms: int
    ) -> Grant:
        """The grant with a new token; the old one is worthless from then on."""
        generation = grant.generation + 1
        return replace(
            grant,
            token_scopes=token_scopes,
            generation=generation,
            token_digest=digest(self._derive(device_id, grant.role, generation)),
            rotated_at_ms=now_ms,
            revoked_at_ms=None,
            last_used_at_ms=None,
        )

    def is_current(self, device_id: str, grant: Grant) -> bool:
        """Whether the stored digest is of this key; False after the vault was replaced."""
        return same_secret(self.token_of(device_id, grant), grant.token_digest)

    def accepts(self, given: str | None, grant: Grant | None, wish: tuple[str, ...]) -> bool:
        """Whether `given` is the grant's token and good for all that is wished.

        The comparison is made even without a grant, so that an unknown device costs the same.
        """
        is_same = same_secret(given, grant.token_digest if grant else None)
        if grant is None or grant.revoked_at_ms is not None:
            return False
        return is_same and covers(grant.token_scopes, known(wish))

    def hello(self, device_id: str, grant: Grant) -> HelloAuth:
        """What hello-ok tells the device."""
        return HelloAuth(
            device_token=self.token_of(device_id, grant),
            role=grant.role.value,
            scopes=list(grant.token_scopes),
            issued_at_ms=grant.rotated_at_ms or grant.issued_at_ms,
        )

    def _derive(self, device_id: str, role: Role, generation: int) -> str:
        text = f"{_PURPOSE}|{device_id}|{role}|{generation}"
        mac = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
