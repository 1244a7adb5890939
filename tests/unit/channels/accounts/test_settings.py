from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.channels.accounts.settings import account_names, account_settings, branches
from carapace.config.settings.channels import (
    ChannelDefaults,
    ChannelSettings,
    ChannelsSettings,
    WebhookAccount,
    WebhookSettings,
)

NOTHING = ChannelDefaults()


def webhook(**given: Any) -> WebhookSettings:
    return msgspec.convert(given, WebhookSettings)


def test_each_channel_of_the_settings_is_found_by_its_id():
    settings = ChannelsSettings()
    assert branches(settings) == {"webchat": settings.webchat, "webhook": settings.webhook}
    named = {one.encode_name for one in msgspec.structs.fields(ChannelsSettings)}
    assert set(branches(settings)) == named - {"defaults", "plugins"}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ("default",)),
        ({"secret": "s"}, ("default",)),
        ({"accounts": {"b": {}, "a": {}}}, ("b", "a")),
        ({"accounts": {"b": {}, "default": {}}}, ("default", "b")),
        ({"secret": "s", "accounts": {"b": {}}}, ("default", "b")),
        ({"callbackUrl": "https://a.example", "accounts": {"b": {}}}, ("default", "b")),
        ({"dmPolicy": "open", "accounts": {"b": {}}}, ("b",)),
    ],
)
def test_accounts_are_those_named_and_the_channel_itself_if_it_stands_alone(
    given: dict[str, Any], names: tuple[str, ...]
):
    assert account_names(webhook(**given)) == names


def test_the_nearer_level_wins():
    branch = webhook(
        dmPolicy="open", allowFrom=["a"], accounts={"b": {"allowFrom": ["b"]}, "c": {}}
    )
    defaults = ChannelDefaults(dm_policy="disabled", group_policy="open", streaming=True)
    b = account_settings(defaults, branch, "b")
    c = account_settings(defaults, branch, "c")
    assert b is not None
    assert c is not None
    assert (b.dm_policy, b.group_policy, b.allow_from, b.streaming) == (
        "open",
        "open",
        ("b",),
        True,
    )
    assert c.allow_from == ("a",)


@pytest.mark.parametrize("key", ["allowFrom", "groupAllowFrom"])
def test_an_empty_list_of_an_account_is_not_filled_from_its_channel(key: str):
    branch = webhook(**{key: ["a"], "accounts": {"b": {key: []}}})
    found = account_settings(NOTHING, branch, "b")
    assert found is not None
    assert msgspec.to_builtins(found)[key] == ()


def test_credentials_are_never_taken_over():
    branch = webhook(
        secret="s",
        callbackUrl="https://a.example",
        callbackSecret="t",
        accounts={"b": {}, "default": {"callbackSecret": "u"}},
    )
    b = account_settings(NOTHING, branch, "b")
    assert isinstance(b, WebhookAccount)
    assert (b.secret, b.callback_url, b.callback_secret) == (None, None, None)
    default = account_settings(NOTHING, branch, "default")
    assert isinstance(default, WebhookAccount)
    assert (default.secret, default.callback_secret) == ("s", "u")


def test_an_account_that_nobody_named_does_not_exist():
    assert account_settings(NOTHING, webhook(), "b") is None
    assert account_settings(NOTHING, ChannelSettings(), "Default") is None


def test_a_channel_that_is_off_turns_off_its_accounts():
    branch = webhook(enabled=False, accounts={"b": {"enabled": True}, "default": {}})
    for name in ("b", "default"):
        found = account_settings(NOTHING, branch, name)
        assert found is not None
        assert found.enabled is False


def test_an_account_can_be_off_alone():
    branch = webhook(accounts={"b": {"enabled": False}, "c": {}})
    b, c = (account_settings(NOTHING, branch, name) for name in ("b", "c"))
    assert b is not None
    assert c is not None
    assert (b.enabled, c.enabled) == (False, None)
