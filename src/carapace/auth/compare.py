"""The one place where secrets are compared.

Both sides are hashed first, so neither length nor a common prefix shows in the time taken,
and a missing secret costs the same work as a wrong one (advisory C25).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

__all__ = ["digest", "same_secret", "same_text"]

_NOTHING: Final = b"\x00" * 32


def digest(secret: str) -> str:
    """SHA-256 of `secret` as hex: what may be stored of a secret with 128 random bits or more."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same_secret(given: str | None, expected_digest: str | None) -> bool:
    """Whether `given` hashes to `expected_digest`.

    An empty or missing value on either side is never equal to anything, but is compared all
    the same.
    """
    left = hashlib.sha256((given or "").encode(errors="surrogatepass")).hexdigest()
    right = expected_digest or _NOTHING.hex()
    is_equal = hmac.compare_digest(left.encode(), right.encode())
    return is_equal and bool(given) and bool(expected_digest)


def same_text(left: str, right: str) -> bool:
    """Constant-time equality for values that are guessed online but not stored (nonces)."""
    return hmac.compare_digest(
        hashlib.sha256(left.encode(errors="surrogatepass")).digest(),
        hashlib.sha256(right.encode(errors="surrogatepass")).digest(),
    )
