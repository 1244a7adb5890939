"""What a guest is too slow or not trusted to do."""

from __future__ import annotations

import base64
import json
from typing import Any

from carapace_plugin.host import call

__all__ = ["aes_ctr", "jwks"]


def jwks(url: str) -> dict[str, Any]:
    """A JSON Web Key Set of a URL that plugin.toml admits, cached as its headers say."""
    keys: dict[str, Any] = json.loads(call("crypto", "jwks", url))
    return keys


def aes_ctr(handle: str, key: bytes, nonce: bytes) -> str:
    """AES-256-CTR of a stored file into a new one; gives the new one's handle."""
    shown = [base64.b64encode(each).decode("ascii") for each in (key, nonce)]
    return str(call("crypto", "aes-ctr", handle, *shown))
