"""The three files of a package, as bytes, and what they must fulfil together. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

from carapace.plugins.package.manifest import InvalidManifest, Manifest, parse_manifest
from carapace.plugins.package.publishers import Trust
from carapace.plugins.package.signature import (
    InvalidSignature,
    Signature,
    check_signature,
    parse_signature,
    statement,
)
from carapace.plugins.state import PluginRefused, Refusal
from carapace.value import Value

__all__ = [
    "MANIFEST_NAME",
    "MAX_WASM_BYTES",
    "SIGNATURE_NAME",
    "WASM_NAME",
    "Contents",
    "Package",
    "verify",
]

MANIFEST_NAME: Final = "plugin.toml"
WASM_NAME: Final = "plugin.wasm"
SIGNATURE_NAME: Final = "plugin.sig"
MAX_WASM_BYTES: Final = 64 * 1024 * 1024


class Contents(Value, frozen=True):
    """What somebody handed in; nothing about it is known yet.

    Attributes:
        manifest: `plugin.toml`.
        wasm: `plugin.wasm`.
        signature: `plugin.sig`; None if there is none.
    """

    manifest: bytes
    wasm: bytes
    signature: bytes | None = None


class Package(Value, frozen=True, kw_only=True):
    """A package whose signature holds, or that may come without one.

    Attributes:
        contents: Its bytes.
        manifest: What it says about itself.
        wasm_sha256: Of the component, in hex.
        digest: Names exactly this package, signature included: SHA-256 in hex.
    """

    contents: Contents
    manifest: Manifest
    wasm_sha256: str
    digest: str

    @property
    def is_signed(self) -> bool:
        """Whether somebody vouches for it."""
        return self.contents.signature is not None


def verify(contents: Contents, trust: Trust) -> Package:
    """Make sure that a package is whole, from whom it says, and from somebody trusted.

    Raises:
        PluginRefused: If one of these is not so; says which and what to do.
    """
    try:
        manifest = parse_manifest(contents.manifest)
    except InvalidManifest as error:
        raise PluginRefused(Refusal.MANIFEST, str(error)) from error
    wasm_sha256 = hashlib.sha256(contents.wasm).hexdigest()
    if contents.signature is None:
        _check_unsigned(manifest, trust)
    else:
        _check_signed(manifest, wasm_sha256, contents, trust)
    signed = statement(contents.manifest, wasm_sha256, manifest.wit)
    digest = hashlib.sha256(signed + b"\n" + (contents.signature or b"")).hexdigest()
    return Package(contents=contents, manifest=manifest, wasm_sha256=wasm_sha256, digest=digest)


def _check_unsigned(manifest: Manifest, trust: Trust) -> None:
    if manifest.publisher is not None:
        raise PluginRefused(
            Refusal.UNSIGNED,
            f"{manifest.id} names a publisher, but plugin.sig is missing: somebody took it away, "
            "or it was never signed. Get the package anew, or sign it: cara plugin sign",
        )
    if not trust.allow_unsigned:
        raise PluginRefused(
            Refusal.UNSIGNED,
            f"{manifest.id} is not signed, so nobody vouches for it. Sign it with cara plugin "
            "sign; or, while you develop it, set plugins.allowUnsigned to true",
        )


def _check_signed(manifest: Manifest, wasm_sha256: str, contents: Contents, trust: Trust) -> None:
    try:
        signature = parse_signature(contents.signature or b"")
        _check_publisher(signature, manifest)
        check_signature(
            signature, manifest=contents.manifest, wasm_sha256=wasm_sha256, wit=manifest.wit
        )
    except InvalidSignature as error:
        raise PluginRefused(
            Refusal.SIGNATURE,
            f"{manifest.id} is not as its publisher signed it: {error}. Get the package anew from "
            "its publisher",
        ) from error
    if not trust.includes(signature.publisher):
        raise PluginRefused(
            Refusal.PUBLISHER,
            f"{manifest.id} is signed by {signature.publisher}, whom you do not trust. If you "
            f"know that key: cara plugin trust {signature.publisher}",
        )


def _check_publisher(signature: Signature, manifest: Manifest) -> None:
    if signature.publisher != manifest.publisher:
        raise InvalidSignature("plugin.sig is of another publisher than the one plugin.toml names")
