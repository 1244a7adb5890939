"""Secrets are equal only if both are there and the same."""

from __future__ import annotations

import pytest

from carapace.auth.compare import digest, same_secret, same_text


def test_same_secret_matches_its_digest():
    assert same_secret("hunter2", digest("hunter2"))


@pytest.mark.parametrize("given", ["hunter3", "hunter", "hunter22", "", None, "\ud800"])
def test_anything_else_does_not(given: str | None):
    assert not same_secret(given, digest("hunter2"))


@pytest.mark.parametrize("expected", [None, "", digest("")])
def test_empty_is_never_equal_to_empty(expected: str | None):
    assert not same_secret("", expected)
    assert not same_secret(None, expected)


def test_the_stand_in_for_a_missing_digest_cannot_be_hit():
    assert not same_secret("\x00" * 32, None)


def test_texts_compare_whole():
    assert same_text("nonce", "nonce")
    assert not same_text("nonce", "nonce ")
    assert not same_text("\ud800", "\ud801")
