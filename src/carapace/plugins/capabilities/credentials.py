"""`credentials`: what can be known of a secret without seeing it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Final, Literal

import msgspec

from carapace.auth.compare import same_text
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.secrets import PluginSecrets

__all__ = ["CredentialsCapability"]

_HASHES: Final = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}

HashName = Literal["sha1", "sha256"]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Presented = Annotated[str, msgspec.Meta(max_length=65_536)]
_Signed = Annotated[str, msgspec.Meta(max_length=8 * 1024 * 1024)]


class CredentialsCapability:
    """Compares and signs with secrets.

    Args:
        secrets: Those of the plugin.
    """

    def __init__(self, secrets: PluginSecrets) -> None:
        self._secrets = secrets
        self.call = Dispatch(
            "credentials",
            {
                "names": Operation(tuple[()], self._names),
                "verify": Operation(tuple[_Name, _Presented], self._verify),
                "hmac": Operation(tuple[_Name, HashName, _Signed], self._hmac),
            },
        )

    async def _names(self) -> list[str]:
        return self._secrets.names()

    async def _verify(self, name: str, presented: str) -> bool:
        return same_text(presented, self._secrets.reveal(name).reveal())

    async def _hmac(self, name: str, kind: HashName, text: str) -> str:
        key = self._secrets.reveal(name).reveal().encode()
        return hmac.new(key, text.encode(), _HASHES[kind]).hexdigest()
