"""Who publishes plugins, by key, and which of them the operator trusts. Pure.

A publisher is its Ed25519 key and nothing else: names can be taken by anybody.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from carapace.value import Value

__all__ = ["InvalidPublisher", "Trust", "parse_publisher", "publisher_of"]

_PREFIX: Final = "ed25519:"
_KEY_BYTES: Final = 32


class InvalidPublisher(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """Not the name of a publisher; the message says why."""


def publisher_of(public_key: bytes) -> str:
    """The name of the publisher with this raw key of 32 bytes."""
    return _PREFIX + base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()


def parse_publisher(text: str) -> bytes:
    """The raw key that a publisher's name stands for.

    Each key has one name: other spellings of the same bytes are refused.

    Raises:
        InvalidPublisher: If it is none.
    """
    encoded = text.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES or publisher_of(key) != text:
        raise InvalidPublisher(
            f"{text[:80]!r} is no publisher: write ed25519: and the public key, 43 characters of "
            "base64url, as `cara plugin keygen` shows it"
        )
    return key


class Trust(Value, frozen=True):
    """What the operator lets in.

    Attributes:
        publishers: Names of trusted publishers; an empty set trusts nobody.
        allow_unsigned: Also what nobody signed. For development.
    """

    publishers: frozenset[str] = frozenset()
    allow_unsigned: bool = False

    @classmethod
    def of(cls, publishers: Iterable[str], *, allow_unsigned: bool = False) -> Trust:
        """From the configuration."""
        return cls(frozenset(publishers), allow_unsigned)

    def includes(self, publisher: str) -> bool:
        """Whether this publisher is trusted."""
        return publisher in self.publishers
