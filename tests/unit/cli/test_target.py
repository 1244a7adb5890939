"""Flags before environment before file before vault."""

from __future__ import annotations

import pytest

from carapace.cli.options import Remote
from carapace.cli.target import find_target, vault_path
from carapace.cli.trouble import Trouble
from support.command import Command


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ("{}", "ws://127.0.0.1:18789"),
        ("{gateway: {port: 5}}", "ws://127.0.0.1:5"),
        ("{gateway: {bind: 'lan', tls: {enabled: true}}}", "wss://127.0.0.1:18789"),
        ("{gateway: {bind: 'custom', customBindHost: '10.1.2.3'}}", "ws://10.1.2.3:18789"),
        ("{gateway: {bind: 'custom', customBindHost: '0.0.0.0'}}", "ws://127.0.0.1:18789"),
        ("{gateway: {bind: 'custom', customBindHost: 'fd00::1'}}", "ws://[fd00::1]:18789"),
    ],
)
def test_the_address_follows_the_configuration(cara: Command, config: str, url: str):
    cara.write_config(config)
    assert find_target(Remote()).url == url


def test_a_flag_wins_over_environment_over_file(cara: Command, monkeypatch: pytest.MonkeyPatch):
    cara.write_config("{gateway: {auth: {token: 'file'}}}")
    assert find_target(Remote()).token == "file"
    monkeypatch.setenv("CLAWDBOT_GATEWAY_TOKEN", "environment")
    assert find_target(Remote()).token == "environment"
    assert find_target(Remote(token="flag")).token == "flag"
    found = find_target(Remote(password="flag", url="ws://x"))
    assert (found.token, found.password, found.url) == (None, "flag", "ws://x")


def test_the_vault_has_the_last_word_and_keeps_the_device(cara: Command):
    made = cara("token", "rotate").out.strip()
    first, second = find_target(Remote()), find_target(Remote())
    assert first.token == made
    assert first.identity is not None
    assert second.identity is not None
    assert first.identity.id == second.identity.id
    assert vault_path(first.paths).exists()


def test_a_broken_file_does_not_matter_when_the_address_is_given(cara: Command):
    cara.write_config("{")
    with pytest.raises(Trouble) as caught:
        find_target(Remote())
    assert caught.value.exit_code == 78
    assert find_target(Remote(url="ws://x", token="t")).url == "ws://x"
    assert find_target(Remote(url="ws://x")).token is None
