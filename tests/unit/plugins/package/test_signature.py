"""A signature holds for exactly the bytes that were signed, in exactly one spelling."""

from __future__ import annotations

import base64

import pytest

from carapace.plugins.package.signature import (
    InvalidSignature,
    Signature,
    check_signature,
    parse_signature,
    sign,
    statement,
)
from support.packages import KEY, OTHER_KEY, PUBLISHER

MANIFEST = b'id = "hello"\n'
SHA = "ab" * 32
SIGNATURE = sign(KEY, manifest=MANIFEST, wasm_sha256=SHA, wit="1.0")


def test_what_was_signed_is_accepted():
    found = parse_signature(SIGNATURE.encode())
    assert found == SIGNATURE
    assert found.publisher == PUBLISHER
    check_signature(found, manifest=MANIFEST, wasm_sha256=SHA, wit="1.0")


@pytest.mark.parametrize(
    ("manifest", "sha", "wit"),
    [(MANIFEST + b" ", SHA, "1.0"), (MANIFEST, "ac" * 32, "1.0"), (MANIFEST, SHA, "1.1")],
)
def test_nothing_else_is(manifest, sha, wit):
    with pytest.raises(InvalidSignature, match=r"not of this plugin\.toml"):
        check_signature(SIGNATURE, manifest=manifest, wasm_sha256=sha, wit=wit)


def test_another_key_signs_something_else():
    forged = Signature(
        PUBLISHER, sign(OTHER_KEY, manifest=MANIFEST, wasm_sha256=SHA, wit="1").value
    )
    with pytest.raises(InvalidSignature):
        check_signature(forged, manifest=MANIFEST, wasm_sha256=SHA, wit="1.0")


def test_the_statement_names_its_purpose_and_all_parts():
    lines = statement(MANIFEST, SHA, "1.0").decode().splitlines()
    assert lines[0] == "carapace plugin statement 1"
    assert lines[1] == "wit 1.0"
    assert lines[3] == f"wasm {SHA}"


def spellings() -> list[bytes]:
    text = SIGNATURE.encode()
    head, publisher, value = text.decode().splitlines()
    padded = base64.urlsafe_b64encode(SIGNATURE.value).decode()
    last = chr(ord(value[-1]) + 1)
    return [
        b"",
        b"\xff",
        b"x" * 2000,
        text + b"\n",
        text.rstrip(),
        text.replace(b"\n", b"\r\n"),
        f"{head}\n{publisher}\n{padded}\n".encode(),
        f"{head}\n{publisher}\n{value[:-1]}{last}\n".encode(),
        f"{head}\n{publisher}\n{value} \n".encode(),
        f"{head} \n{publisher}\n{value}\n".encode(),
        f"{head}\ned25519:me\n{value}\n".encode(),
        f"{head}\n{publisher}\n!!\n".encode(),
    ]


@pytest.mark.parametrize("data", spellings())
def test_there_is_one_spelling(data):
    with pytest.raises(InvalidSignature, match=r"plugin\.sig"):
        parse_signature(data)
