"""A plugin uses the secrets of its manifest, its accounts' included, and no others."""

from __future__ import annotations

import pytest

from carapace.config.secret import Secret
from carapace.plugins.capabilities.secrets import ConfiguredSecrets, PluginSecrets
from carapace.plugins.errors import GuestError
from support.capabilities import HeldConfig

CONFIG = HeldConfig(
    {
        "botToken": Secret("main-token"),
        "apiKey": "not-in-the-manifest",
        "empty": "",
        "accounts": {
            "work": {"botToken": "work-token", "apiKey": "no"},
            "home": {"botToken": Secret("")},
            "odd": 3,
        },
    }
)
NAMES = frozenset({"botToken", "empty"})


def make(config: HeldConfig = CONFIG) -> PluginSecrets:
    return PluginSecrets(NAMES, ConfiguredSecrets(NAMES, config))


def test_handles_are_names_and_accounts_with_names():
    assert make().names() == ["botToken", "work/botToken"]


def test_a_handle_gives_the_value():
    assert make().reveal("botToken").reveal() == "main-token"
    assert make().reveal("work/botToken").reveal() == "work-token"


@pytest.mark.parametrize(
    ("handle", "code"),
    [
        ("apiKey", "not-granted"),
        ("work/apiKey", "not-granted"),
        ("a/b/botToken", "not-granted"),
        ("/botToken", "not-granted"),
        ("../botToken", "not-granted"),
        ("", "not-granted"),
        ("empty", "not-configured"),
        ("home/botToken", "not-configured"),
        ("odd/botToken", "not-configured"),
        ("none/botToken", "not-configured"),
    ],
)
def test_everything_else_is_refused(handle, code):
    with pytest.raises(GuestError) as caught:
        make().reveal(handle)
    assert caught.value.code == code


def test_a_holder_gives_no_more_than_its_names():
    holder = ConfiguredSecrets(NAMES, CONFIG)
    assert holder.secret("apiKey") is None
    assert holder.secret("work/apiKey") is None


def test_accounts_that_are_none_are_no_trouble():
    assert ConfiguredSecrets(NAMES, HeldConfig({"accounts": [1]})).names() == ()


def test_all_secrets_are_masked_and_a_new_value_counts_at_once():
    config = HeldConfig({"botToken": "first-token"})
    secrets = make(config)
    assert secrets.scrubber().text("a first-token") == "a ***"
    assert secrets.scrubber() is secrets.scrubber()
    config.value["botToken"] = "second-token"
    assert secrets.scrubber().text("a second-token") == "a ***"
