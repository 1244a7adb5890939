"""`plugin.sig`: who vouches for a package, and for exactly which bytes.

An Ed25519 signature (RFC 8032) over a short statement that names the contract's version and the
SHA-256 of manifest and component. The file has one spelling for each signature, so that any
changed byte is noticed, even one that would decode to the same signature:

    carapace-plugin-signature 1
    ed25519:<public key, base64url>
    <signature, base64url>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature as _Wrong
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carapace.plugins.package.publishers import InvalidPublisher, parse_publisher, publisher_of
from carapace.value import Value

__all__ = [
    "MAX_SIGNATURE_BYTES",
    "InvalidSignature",
    "Signature",
    "check_signature",
    "parse_signature",
    "sign",
    "statement",
]

MAX_SIGNATURE_BYTES: Final = 1024
_HEAD: Final = "carapace-plugin-signature 1"
_DOMAIN: Final = "carapace plugin statement 1"


class InvalidSignature(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """Not a signature, or not of these bytes; the message says why."""


class Signature(Value, frozen=True):
    """What `plugin.sig` holds.

    Attributes:
        publisher: Who signed, as `ed25519:<key>`.
        value: The 64 bytes.
    """

    publisher: str
    value: bytes

    def encode(self) -> bytes:
        """The file, in its only spelling."""
        return f"{_HEAD}\n{self.publisher}\n{_base64url(self.value)}\n".encode()


def statement(manifest: bytes, wasm_sha256: str, wit: str) -> bytes:
    """What is signed.

    Args:
        manifest: `plugin.toml`, byte for byte.
        wasm_sha256: Of the component, in hex.
        wit: Version of the contract, as the manifest has it.
    """
    digest = hashlib.sha256(manifest).hexdigest()
    return f"{_DOMAIN}\nwit {wit}\nmanifest {digest}\nwasm {wasm_sha256}\n".encode()


def sign(key: Ed25519PrivateKey, *, manifest: bytes, wasm_sha256: str, wit: str) -> Signature:
    """Vouch for a package."""
    publisher = publisher_of(key.public_key().public_bytes_raw())
    return Signature(publisher, key.sign(statement(manifest, wasm_sha256, wit)))


def parse_signature(data: bytes) -> Signature:
    """Read `plugin.sig`.

    Raises:
        InvalidSignature: If it is not one, or not in its only spelling.
    """
    if len(data) > MAX_SIGNATURE_BYTES:
        raise InvalidSignature(f"plugin.sig is larger than {MAX_SIGNATURE_BYTES} bytes")
    try:
        _, publisher, value = data.decode("ascii").split("\n")[:3]
        parse_publisher(publisher)
        padded = value + "=" * (-len(value) % 4)
        found = Signature(publisher, base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, InvalidPublisher) as error:
        raise InvalidSignature("plugin.sig is no signature of a plugin") from error
    if found.encode() != data:
        raise InvalidSignature("plugin.sig is not written as `cara plugin sign` writes it")
    return found


def check_signature(signature: Signature, *, manifest: bytes, wasm_sha256: str, wit: str) -> None:
    """Make sure that these are the bytes that were signed.

    Raises:
        InvalidSignature: If they are not.
    """
    key = Ed25519PublicKey.from_public_bytes(parse_publisher(signature.publisher))
    try:
        key.verify(signature.value, statement(manifest, wasm_sha256, wit))
    except _Wrong as error:
        raise InvalidSignature(
            "the signature in plugin.sig is not of this plugin.toml and plugin.wasm"
        ) from error


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
