"""Identifiers are random, and secrets have enough of it."""

from __future__ import annotations

import base64
import uuid

import pytest

from carapace.ids import new_id, new_secret


def test_an_id_is_a_random_uuid():
    made = {new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(uuid.UUID(one).version == 4 for one in made)


def test_a_secret_holds_as_many_bytes_as_asked_and_fits_into_a_url():
    secret = new_secret(24)
    assert len(base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))) == 24
    assert new_secret() != new_secret()


def test_a_guessable_secret_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        new_secret(15)
