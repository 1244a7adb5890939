"""The replay's device signs as the gateway verifies, in code of its own."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from carapace_tools.golden.identity import Identity

PARAMS: dict[str, Any] = {
    "client": {"id": "cli", "mode": "cli", "platform": "Linux", "deviceFamily": "PC"},
    "role": "operator",
    "scopes": ["a", "b"],
}


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    ("version", "joined"),
    [
        ("v1", "v1|{id}|cli|cli|operator|a,b|5|tok"),
        ("v2", "v2|{id}|cli|cli|operator|a,b|5|tok|nonce"),
        ("v3", "v3|{id}|cli|cli|operator|a,b|5|tok|nonce|linux|pc"),
    ],
)
def test_each_version_signs_its_fields(version: str, joined: str):
    identity = Identity("x")
    proof = identity.proof(PARAMS, version=version, nonce="nonce", signed_at_ms=5, token="tok")
    key = Ed25519PublicKey.from_public_bytes(raw(proof["publicKey"]))
    text = joined.format(id=identity.device_id)
    key.verify(raw(proof["signature"]), text.encode())
    with pytest.raises(InvalidSignature):
        key.verify(raw(proof["signature"]), (text + "x").encode())
    assert ("nonce" in proof) is (version != "v1")


def test_a_name_is_always_the_same_device_and_the_id_is_the_keys_hash():
    one = Identity("x")
    assert one.device_id == Identity("x").device_id != Identity("y").device_id
    assert one.device_id == hashlib.sha256(raw(one.public_key)).hexdigest()
