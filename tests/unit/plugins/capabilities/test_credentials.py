"""Secrets are compared and used as keys, and never shown."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from carapace.plugins.capabilities.credentials import CredentialsCapability
from carapace.plugins.capabilities.secrets import PluginSecrets
from support.capabilities import HeldSecrets, code_of


def make():
    holder = HeldSecrets(token="abc-secret", work__token="work-secret", other="x")
    return CredentialsCapability(PluginSecrets(frozenset({"token", "unset"}), holder)).call


async def test_names_are_those_of_the_manifest_that_are_set():
    assert await make()("names", []) == ["token", "work/token"]


async def test_a_presented_value_is_compared():
    assert await make()("verify", ["token", "abc-secret"]) is True
    assert await make()("verify", ["token", "abc-secrex"]) is False
    assert await make()("verify", ["work/token", "work-secret"]) is True
    assert await make()("verify", ["token", ""]) is False


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
async def test_a_text_is_signed(kind):
    expected = hmac.new(b"abc-secret", "tëxt".encode(), kind).hexdigest()
    assert await make()("hmac", ["token", kind, "tëxt"]) == expected
    assert len(expected) == hashlib.new(kind).digest_size * 2


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("verify", ["other", "x"], "not-granted"),
        ("hmac", ["other", "sha256", "x"], "not-granted"),
        ("verify", ["unset", ""], "not-configured"),
        ("hmac", ["token", "md5", "x"], "invalid-argument"),
        ("value", ["token"], "invalid-argument"),
    ],
)
async def test_everything_else_is_refused(function, arguments, code):
    assert await code_of(make()(function, arguments)) == code
