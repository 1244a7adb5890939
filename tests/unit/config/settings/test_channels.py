from __future__ import annotations

import msgspec
import pytest

from carapace.config.catalogue import find
from carapace.config.settings.channels import (
    AccountSettings,
    ChannelDefaults,
    ChannelsSettings,
    WebhookAccount,
)


def read(given: object) -> ChannelsSettings:
    return msgspec.convert(given, ChannelsSettings)


def test_without_a_file_nothing_is_set_so_that_each_documented_default_holds():
    settings = ChannelsSettings()
    assert settings.webhook.dm_policy is None
    assert settings.webhook.allow_from is None
    assert settings.webhook.accounts == {}


def test_a_missing_list_and_an_empty_one_are_told_apart():
    settings = read({"webhook": {"allowFrom": [], "groups": {}}})
    assert settings.webhook.allow_from == ()
    assert settings.webhook.groups == {}
    assert settings.webhook.group_allow_from is None


def test_the_key_names_are_those_of_the_node_gateway():
    settings = read(
        {
            "defaults": {"groupPolicy": "open"},
            "webhook": {
                "dmPolicy": "allowlist",
                "allowFrom": ["a", 123],
                "groupAllowFrom": ["*"],
                "groups": {"room": {"requireMention": False, "allowFrom": ["b"]}},
                "textChunkLimit": 900,
                "chunkMode": "newline",
                "markdown": {"tables": "bullets"},
                "mediaMaxMb": 3,
                "accounts": {"two": {"enabled": False, "secret": "s"}},
            },
        }
    )
    assert settings.defaults.group_policy == "open"
    assert settings.webhook.allow_from == ("a", 123)
    assert settings.webhook.groups is not None
    assert settings.webhook.groups["room"].require_mention is False
    assert settings.webhook.accounts["two"].enabled is False


def test_lists_of_people_cannot_stand_in_the_defaults():
    names = {one.encode_name for one in msgspec.structs.fields(ChannelDefaults)}
    assert not names & {"allowFrom", "groupAllowFrom", "groups"}


@pytest.mark.parametrize("name", ["secret", "callbackSecret"])
@pytest.mark.parametrize("place", [(), ("accounts", "two")])
def test_secrets_are_marked_as_such(name: str, place: tuple[str, ...]):
    found = find(("channels", "webhook", *place, name))
    assert found is not None
    assert found.secret


@pytest.mark.parametrize("place", [(), ("accounts", "two")])
def test_the_password_of_an_accounts_proxy_is_one(place: tuple[str, ...]):
    found = find(("channels", "zalo", *place, "proxy", "password"))
    assert found is not None
    assert found.secret
    assert found.live


def test_everything_takes_effect_at_once():
    for name in msgspec.structs.fields(WebhookAccount):
        found = find(("channels", "webhook", name.encode_name))
        assert found is not None
        assert found.live


def test_credentials_are_fields_of_their_account():
    assert AccountSettings.CREDENTIALS == ()
    fields = {one.name for one in msgspec.structs.fields(WebhookAccount)}
    assert set(WebhookAccount.CREDENTIALS) <= fields


def test_an_unknown_policy_is_refused():
    with pytest.raises(msgspec.ValidationError):
        read({"webhook": {"dmPolicy": "anyone"}})
