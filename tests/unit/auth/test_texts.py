"""Hints per kind of client, in the words the stock clients show."""

from __future__ import annotations

import pytest

from carapace.auth.texts import Missing, is_control_ui, unauthorized
from support.auth import connect_params


@pytest.mark.parametrize(
    ("client_id", "mode", "token_hint", "password_hint"),
    [
        (
            "cli",
            "cli",
            "set gateway.remote.token to match gateway.auth.token",
            "set gateway.remote.password to match gateway.auth.password",
        ),
        (
            "moltbot-control-ui",
            "ui",
            "open a tokenized dashboard URL or paste token in Control UI settings",
            "enter the password in Control UI settings",
        ),
        (
            "webchat",
            "webchat",
            "open a tokenized dashboard URL or paste token in Control UI settings",
            "enter the password in Control UI settings",
        ),
        (
            "openclaw-macos",
            "ui",
            "provide gateway auth token",
            "provide gateway auth password",
        ),
    ],
)
def test_hint_fits_the_client(client_id: str, mode: str, token_hint: str, password_hint: str):
    client = connect_params(client_id=client_id, mode=mode).client
    assert unauthorized("token", Missing.MISMATCH, client) == (
        f"unauthorized: gateway token mismatch ({token_hint})"
    )
    assert unauthorized("password", Missing.MISSING, client) == (
        f"unauthorized: gateway password missing ({password_hint})"
    )


def test_plain_http_gets_the_plain_hint():
    assert unauthorized("token", Missing.MISSING, None).endswith("(provide gateway auth token)")


def test_every_brand_has_a_control_ui():
    for brand in ("clawdbot", "moltbot", "openclaw"):
        assert is_control_ui(connect_params(client_id=f"{brand}-control-ui").client)
    assert not is_control_ui(connect_params().client)
