"""A device identity for replays, written apart from the gateway's own code on purpose.

The joined text is `version|deviceId|clientId|mode|role|scopes|signedAt|token[|nonce]`
(protocol 3, section 2.2); version v3 adds platform and device family.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Identity"]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Identity:
    """An Ed25519 key made from a name, so that a replay can come back as the same device."""

    def __init__(self, name: str) -> None:
        seed = hashlib.sha256(f"carapace golden {name}".encode()).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._key.public_key().public_bytes_raw()
        self.public_key = _b64(raw)
        self.device_id = hashlib.sha256(raw).hexdigest()

    def proof(
        self,
        params: dict[str, Any],
        *,
        version: str,
        nonce: str | None,
        signed_at_ms: int,
        token: str | None,
    ) -> dict[str, Any]:
        """The `device` block for these connect params."""
        client = params["client"]
        parts = [
            version,
            self.device_id,
            client["id"],
            client["mode"],
            params.get("role", "operator"),
        ]
        parts += [",".join(params.get("scopes") or []), str(signed_at_ms), token or ""]
        if version != "v1":
            parts.append(nonce or "")
        if version == "v3":
            parts += [client.get("platform", "").lower(), client.get("deviceFamily", "").lower()]
        block: dict[str, Any] = {
            "id": self.device_id,
            "publicKey": self.public_key,
            "signature": _b64(self._key.sign("|".join(parts).encode())),
            "signedAt": signed_at_ms,
        }
        if version != "v1":
            block["nonce"] = nonce
        return block
