"""`plugins.*` trusts nobody by default, and takes no nonsense."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.redact import is_secret
from carapace.config.settings.plugins import PluginsSettings

KEY = "ed25519:" + "A" * 43


def test_by_default_nobody_is_trusted():
    settings = PluginsSettings()
    assert settings.trusted_publishers == ()
    assert not settings.allow_unsigned
    assert settings.registry is None
    assert settings.enabled


def test_it_is_read_in_the_names_of_files():
    found = msgspec.convert(
        {
            "trustedPublishers": [KEY],
            "allowUnsigned": True,
            "registry": "https://plugins.example/index.json",
            "entries": {
                "zalo": {
                    "enabled": False,
                    "config": {"botToken": "t", "accounts": {"a": {"limit": 3}}},
                    "http": ["POST http://127.0.0.1:4100/**"],
                    "webhookAliases": ["/zalo-webhook"],
                }
            },
        },
        PluginsSettings,
    )
    entry = found.entries["zalo"]
    assert found.trusted_publishers == (KEY,)
    assert (entry.enabled, entry.webhook_aliases) == (False, ("/zalo-webhook",))
    assert entry.http == ("POST http://127.0.0.1:4100/**",)
    assert entry.config["accounts"] == {"a": {"limit": 3}}


@pytest.mark.parametrize(
    "given",
    [
        {"trustedPublishers": ["me"]},
        {"trustedPublishers": [KEY + "="]},
        {"registry": "http://plugins.example/"},
        {"entries": {"zalo": {"webhookAliases": ["zalo"]}}},
        {"entries": {"zalo": {"webhookAliases": ["/a?b"]}}},
    ],
)
def test_nonsense_is_refused(given):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, PluginsSettings)


@pytest.mark.parametrize(
    ("key", "hidden"),
    [
        (("botToken",), True),
        (("accounts", "main", "webhookSecret"), True),
        (("pageSize",), False),
    ],
)
def test_secrets_of_a_plugin_are_known_by_their_names(key, hidden):
    assert is_secret(("plugins", "entries", "zalo", "config", *key)) is hidden
