"""What the configuration says about a bot is read strictly, and kept for every later call."""

from __future__ import annotations

import json

import pytest
from carapace_zalo.accounts import (
    API_URL,
    Account,
    Accounts,
    local_path,
    parse_settings,
    secret_name,
)
from carapace_zalo.ports import PortError

TOKEN = "default/botToken"
SECRET = "default/webhookSecret"
HOOK = {"webhookUrl": "https://a.example/plugins/zalo/hook"}


def parsed(settings, secrets=(TOKEN, SECRET), name="default"):
    class Secrets:
        def names(self):
            return secrets

        def verify(self, name, presented):
            return False

    return parse_settings(name, json.dumps(settings), Secrets())


def refusal(settings, **more) -> str:
    with pytest.raises(PortError) as caught:
        parsed(settings, **more)
    assert not caught.value.retryable
    return caught.value.message


def test_a_token_is_enough():
    account = parsed({"botToken": TOKEN})
    assert (account.token_name, account.api_url) == (TOKEN, API_URL)
    assert account.transport == "polling"


def test_no_token_is_not():
    assert "botToken" in refusal({}, secrets=())
    assert "botToken" in refusal({}, name="second")


def test_with_an_address_zalo_posts():
    account = parsed(HOOK)
    assert account.transport == "webhook"
    assert account.webhook_path == "/hook"
    assert account.secret_name == SECRET


def test_a_webhook_needs_a_secret():
    assert "webhookSecret" in refusal(HOOK, secrets=(TOKEN,))


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/x",
        "ftp://a.example",
        "nonsense",
        "https://",
        "https://u:p@a.example/",
        "https://[x",
        "http://127.0.0.1.evil.example/",
    ],
)
def test_an_address_must_be_https(url):
    assert "webhookUrl" in refusal({"webhookUrl": url})
    assert "apiUrl" in refusal({"apiUrl": url})


def test_this_machine_needs_no_https():
    assert parsed({"webhookUrl": "http://127.0.0.1:9/x"}).webhook_path == "/x"
    assert parsed({"apiUrl": "http://localhost:9/"}).api_url == "http://localhost:9"


def test_an_api_address_has_no_query():
    assert "apiUrl" in refusal({"apiUrl": "https://a.example/?x=1"})


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"webhookUrl": "https://a.example/plugins/zalo"}, "/"),
        ({"webhookUrl": "https://a.example/zalo-webhook"}, "/zalo-webhook"),
        ({"webhookUrl": "https://a.example/", "webhookPath": "/x/"}, "/x"),
        ({**HOOK, "webhookPath": "/other"}, "/other"),
        ({**HOOK, "webhookPath": "/plugins/zalo/other"}, "/other"),
    ],
)
def test_the_path_is_the_setting_or_the_addresss(settings, path):
    assert parsed(settings).webhook_path == path


@pytest.mark.parametrize("path", ["other", "/../x", "/a b", "/a?b", "/" + "a" * 300])
def test_a_path_is_plain(path):
    assert "path" in refusal({**HOOK, "webhookPath": path})


@pytest.mark.parametrize("key", ["webhookUrl", "webhookPath", "apiUrl"])
@pytest.mark.parametrize("value", [7, "", " ", []])
def test_a_setting_that_is_no_text_is_named(key, value):
    assert key in refusal({key: value})


@pytest.mark.parametrize("path", ["", "/", "/plugins/zalo/"])
def test_an_address_that_ends_in_a_slash_would_never_be_served(path):
    assert "ends in a slash" in refusal({"webhookUrl": f"https://a.example{path}"})


def test_what_nobody_reads_is_named():
    assert "surprise" in refusal({"surprise": 1})


def test_what_has_another_place_here_is_said():
    assert "botToken" in refusal({"tokenFile": "/run/secrets/zalo"})


@pytest.mark.parametrize("text", ["[]", "7", "{", "[" * 100_000])
def test_settings_are_an_object(text):
    class Secrets:
        def names(self):
            return (TOKEN,)

        def verify(self, name, presented):
            return False

    with pytest.raises(PortError, match="no object"):
        parse_settings("default", text, Secrets())


def test_what_every_channel_has_is_the_gateways():
    account = parsed(
        {
            "enabled": True,
            "dmPolicy": "allowlist",
            "allowFrom": ["u1", 42, "*", "u1"],
            "groupAllowFrom": ["u2"],
            "groups": {"g1": {}, "*": {}},
            "name": "Shop",
        }
    )
    assert account.people == ("u1", "42", "u2")
    assert account.groups == ("g1",)


def test_the_default_account_may_have_the_channels_secret_and_no_other():
    known = ["botToken"]
    assert secret_name("default", "botToken", known) == "botToken"
    assert secret_name("second", "botToken", known) is None
    assert secret_name("second", "botToken", ["second/botToken"]) == "second/botToken"


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/plugins/zalo/a", "/a"),
        ("/plugins/zalo", "/"),
        ("/plugins/zalo/", "/"),
        ("/plugins/zaloo", "/plugins/zaloo"),
        ("/a/", "/a"),
        ("", "/"),
    ],
)
def test_a_path_is_seen_from_the_plugin(path, local):
    assert local_path(path) == local


def test_an_account_is_found_again_as_it_was(house):
    accounts = Accounts(house.ports.store)
    account = Account(
        name="shop",
        token_name="shop/botToken",
        secret_name="shop/webhookSecret",
        webhook_url="https://a.example/x",
        webhook_path="/x",
        people=("u1",),
        groups=("g1",),
        bot_id="1",
        bot_name="b",
    )
    accounts.keep(account)
    assert accounts.get("shop") == account
    assert accounts.all() == [account]
    accounts.drop("shop")
    assert accounts.find("shop") is None
    with pytest.raises(PortError, match="does not run") as caught:
        accounts.get("shop")
    assert caught.value.retryable
