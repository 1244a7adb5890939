"""A plugin reads its own settings; where a secret is, it reads a handle."""

from __future__ import annotations

import json

import pytest

from carapace.config.secret import Secret
from carapace.plugins.capabilities.config import ConfigCapability
from carapace.plugins.capabilities.secrets import ConfiguredSecrets, PluginSecrets
from support.capabilities import HeldConfig

NAMES = frozenset({"token"})
CONFIG = HeldConfig(
    {
        "token": "top-secret-1",
        "hidden": Secret("other-secret"),
        "unset": Secret(""),
        "list": [1, {"a": True}, ["x"]],
        "tuple": (1, 2),
        "url": "https://a.example/?key=top-secret-1",
        "nested": {"token": "mine", "n": 1.5},
        "accounts": {"work": {"token": Secret("top-secret-2"), "name": "W"}, "bare": {"token": ""}},
    }
)


def make():
    secrets = PluginSecrets(NAMES, ConfiguredSecrets(NAMES, CONFIG))
    return ConfigCapability(CONFIG, secrets, NAMES).call


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("token", "token"),
        ("accounts.work.token", "work/token"),
        ("accounts.work.name", "W"),
        ("accounts.bare.token", None),
        ("hidden", "***"),
        ("unset", None),
        ("list.0", 1),
        ("list.1.a", True),
        ("list.2.0", "x"),
        ("tuple", [1, 2]),
        ("url", "https://a.example/?key=***"),
        ("nested", {"token": "mine", "n": 1.5}),
    ],
)
async def test_a_value_is_json(key, value):
    assert json.loads(await make()("get", [key])) == value


@pytest.mark.parametrize("key", ["none", "list.9", "list.x", "list.9999999", "nested.n.x", "."])
async def test_what_is_not_there_is_none(key):
    assert await make()("get", [key]) is None


async def test_all_of_it_holds_no_secret():
    text = await make()("get", [""])
    assert set(json.loads(text)) == set(CONFIG.value)
    assert "top-secret" not in text
    assert "other-secret" not in text
