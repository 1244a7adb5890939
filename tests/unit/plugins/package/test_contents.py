"""A package is whole, from whom it says, and from somebody trusted, or it is refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from carapace.plugins.package.contents import Contents, verify
from carapace.plugins.package.publishers import Trust, publisher_of
from carapace.plugins.package.signature import sign
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import KEY, OTHER_KEY, PUBLISHER, TRUST, WASM, contents


def refused(given: Contents, trust: Trust = TRUST) -> PluginRefused:
    with pytest.raises(PluginRefused) as caught:
        verify(given, trust)
    return caught.value


def test_a_signed_package_of_a_trusted_publisher_is_good():
    package = verify(contents(), TRUST)
    assert package.is_signed
    assert package.manifest.publisher == PUBLISHER
    assert len(package.wasm_sha256) == len(package.digest) == 64


def test_an_empty_list_trusts_nobody():
    error = refused(contents(), Trust())
    assert error.refusal is Refusal.PUBLISHER
    assert f"cara plugin trust {PUBLISHER}" in error.message
    assert error.details == {"reason": "publisher"}


def test_nobody_is_trusted_for_being_able_to_sign():
    assert refused(contents(key=OTHER_KEY)).refusal is Refusal.PUBLISHER


def test_what_nobody_signed_needs_an_explicit_setting():
    unsigned = contents(key=None)
    assert refused(unsigned).refusal is Refusal.UNSIGNED
    package = verify(unsigned, Trust.of([], allow_unsigned=True))
    assert not package.is_signed


def test_a_signature_cannot_be_taken_away():
    stripped = replace(contents(), signature=None)
    error = refused(stripped, Trust.of([PUBLISHER], allow_unsigned=True))
    assert error.refusal is Refusal.UNSIGNED
    assert "somebody took it away" in error.message


def test_a_signature_cannot_be_put_in_place_of_another():
    name = publisher_of(OTHER_KEY.public_key().public_bytes_raw())
    given = contents()
    sha = verify(given, TRUST).wasm_sha256
    other = sign(OTHER_KEY, manifest=given.manifest, wasm_sha256=sha, wit="1.0").encode()
    error = refused(replace(given, signature=other), Trust.of([PUBLISHER, name]))
    assert error.refusal is Refusal.SIGNATURE
    assert "another publisher" in error.message


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (replace(contents(), wasm=WASM + b"x"), Refusal.SIGNATURE),
        (replace(contents(), manifest=contents().manifest + b"\n"), Refusal.SIGNATURE),
        (replace(contents(), signature=b"nothing"), Refusal.SIGNATURE),
        (replace(contents(), manifest=b"?"), Refusal.MANIFEST),
    ],
)
def test_changed_bytes_are_noticed(given, refusal):
    assert refused(given).refusal is refusal


def test_a_digest_names_exactly_one_package():
    packages = [
        verify(contents(), TRUST),
        verify(contents(wasm=b"other"), TRUST),
        verify(contents(version="1.0.1"), TRUST),
        verify(contents(key=None), Trust(allow_unsigned=True)),
    ]
    assert len({one.digest for one in packages}) == len(packages)
    assert verify(contents(key=KEY), TRUST).digest == packages[0].digest
