from __future__ import annotations

import copy
import json
import pickle

import pytest

from carapace.config.secret import Secret


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("hunter2")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>8}", f"{[secret]}"]
    assert all("hunter2" not in text for text in shown)
    assert secret.reveal() == "hunter2"


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_never_copied_out(leak):
    with pytest.raises(TypeError):
        leak(Secret("hunter2"))


def test_secrets_are_not_compared():
    assert Secret("a") != Secret("a")
    assert len({Secret("a"), Secret("a")}) == 2


def test_an_empty_secret_is_false():
    assert not Secret("")
    assert Secret("x")
