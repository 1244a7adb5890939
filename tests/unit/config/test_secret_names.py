from __future__ import annotations

import pytest

from carapace.config.secret_names import names_secret


@pytest.mark.parametrize(
    "name", ["botToken", "app_secret", "API-KEY", "cookie", "sessionCookies", "pin.passcode"]
)
def test_these_are_names_of_secrets(name):
    assert names_secret(name)


@pytest.mark.parametrize("name", ["", "proxy", "tokens", "webhookUrl", "secretary", "key"])
def test_these_are_not(name):
    assert not names_secret(name)
