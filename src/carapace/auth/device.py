"""Device identity: an Ed25519 key whose holder signs what it asks for (protocol.md 2.2).

Pure: the time and the nonce are arguments. A device's id is the SHA-256 of its raw public
key, so nobody can claim another's. The signature binds id, client, role, scopes, time, token
and (v2) the connection's nonce; v1 has no nonce and could be replayed within the skew
window, so only local clients may use it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from carapace.auth.compare import same_text
from carapace.auth.types import ConnectRefused
from carapace.ids import DeviceId
from carapace.protocol.connect import ConnectParams
from carapace.value import Value

__all__ = ["MAX_SKEW_MS", "Device", "device_id_of", "prove", "signed_text"]

MAX_SKEW_MS: Final = 600_000
_RAW_KEY_BYTES: Final = 32
_MAX_KEY_TEXT: Final = 1024


class Device(Value, frozen=True):
    """A device that proved to hold its key.

    Attributes:
        id: SHA-256 of the raw key, hex.
        public_key: The raw 32 bytes, base64url without padding, however it was sent.
    """

    id: DeviceId
    public_key: str


def prove(
    params: ConnectParams, *, role: str, nonce: str, now_ms: int, is_local: bool
) -> Device | None:
    """Check the device block of a connect, in the Node gateway's order.

    Args:
        params: The connect params, as decoded.
        role: The role asked for, after its default.
        nonce: The one this connection was challenged with.
        now_ms: Wall time.
        is_local: Whether v1 (no nonce) may be used.

    Returns:
        The device, or None if the connect names none.

    Raises:
        ConnectRefused: With the text of the first check that fails.
    """
    proof = params.device
    if proof is None:
        return None
    key = _public_key(proof.public_key)
    raw = None if key is None else _raw(key)
    if raw is None or device_id_of(raw) != proof.id:
        raise ConnectRefused("device identity mismatch", reason="device-id-mismatch")
    if abs(now_ms - proof.signed_at) > MAX_SKEW_MS:
        raise ConnectRefused("device signature expired", reason="device-signature-stale")
    given = (proof.nonce or "").strip()
    if not given and not is_local:
        raise ConnectRefused("device nonce required", reason="device-nonce-missing")
    if given and not same_text(given, nonce):
        raise ConnectRefused("device nonce mismatch", reason="device-nonce-mismatch")
    text = signed_text(params, role=role, nonce=given or None)
    if key is None or not _verifies(key, proof.signature, text):
        raise ConnectRefused("device signature invalid", reason="device-signature")
    return Device(id=DeviceId(proof.id), public_key=_to_base64url(raw))


def signed_text(params: ConnectParams, *, role: str, nonce: str | None) -> str:
    """What the device signs: v2 with a nonce, v1 without. Scopes and token as requested."""
    proof = params.device
    if proof is None:
        raise ValueError("a connect without a device has nothing to sign")
    token = (params.auth.token if params.auth else None) or ""
    parts = [
        "v2" if nonce else "v1",
        proof.id,
        params.client.id,
        params.client.mode,
        role,
        ",".join(params.scopes or ()),
        str(proof.signed_at),
        token,
    ]
    if nonce:
        parts.append(nonce)
    return "|".join(parts)


def device_id_of(raw_key: bytes) -> DeviceId:
    """SHA-256 of the raw 32 bytes, hex."""
    return DeviceId(hashlib.sha256(raw_key).hexdigest())


def _public_key(text: str) -> Ed25519PublicKey | None:
    """From PEM or base64url of the raw bytes; None for anything else."""
    if len(text) > _MAX_KEY_TEXT:
        return None
    try:
        if text.lstrip().startswith("-----BEGIN"):
            key = load_pem_public_key(text.encode())
            return key if isinstance(key, Ed25519PublicKey) else None
        raw = _from_base64url(text)
        return Ed25519PublicKey.from_public_bytes(raw) if len(raw) == _RAW_KEY_BYTES else None
    except (ValueError, UnsupportedAlgorithm):
        return None


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _verifies(key: Ed25519PublicKey, signature: str, text: str) -> bool:
    try:
        key.verify(_from_base64url(signature), text.encode(errors="surrogatepass"))
    except (InvalidSignature, ValueError):
        return False
    return True


def _from_base64url(text: str) -> bytes:
    """Both alphabets, with or without padding.

    Raises:
        ValueError: If it is not base64.
    """
    try:
        plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_").encode("ascii")
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error


def _to_base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
