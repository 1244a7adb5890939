"""A request goes through its account's proxy, which only the configuration can name."""

from __future__ import annotations

import pytest

from carapace.config.settings.net import ProxySettings
from carapace.plugins.capabilities.outbound.proxies import AccountProxies
from carapace.plugins.errors import GuestError

NORTH = ProxySettings(url="http://north.example:3128", username="ada", password="pw")
SOUTH = ProxySettings(url="socks5://south.example")


def proxies(**accounts: ProxySettings | None) -> AccountProxies:
    return AccountProxies(lambda: accounts, where="channels.demo")


def host_of(made: AccountProxies, *handles: str) -> str | None:
    found = made.of(handles)
    return None if found is None else found.host


@pytest.mark.parametrize(
    ("handles", "host"),
    [
        (["a/token"], "north.example"),
        (["a/token", "a/key"], "north.example"),
        (["b/token"], "south.example"),
        (["c/token"], None),
        (["token"], "north.example"),  # the default account's
        (["gone/token"], None),
        ([], None),
    ],
)
def test_the_account_of_the_secrets_decides(handles: list[str], host: str | None):
    made = proxies(default=NORTH, a=NORTH, b=SOUTH, c=None)
    assert host_of(made, *handles) == host


def test_what_names_no_account_goes_where_all_go():
    assert host_of(proxies(default=NORTH)) == "north.example"
    assert host_of(proxies(a=NORTH, b=NORTH)) == "north.example"
    assert host_of(proxies(a=NORTH, b=NORTH), "gone/token") == "north.example"
    assert host_of(proxies()) is None
    assert host_of(proxies(), "a/token") is None


def test_one_request_does_not_go_two_ways():
    with pytest.raises(GuestError, match="one request for each account") as caught:
        proxies(a=NORTH, b=SOUTH).of(["a/token", "b/token"])
    assert caught.value.code == "invalid-argument"
    assert host_of(proxies(a=NORTH, b=NORTH), "a/token", "b/token") == "north.example"
    with pytest.raises(GuestError):
        proxies(a=NORTH, b=None).of(["b/token", "a/token"])


def test_a_proxy_that_cannot_be_read_is_never_gone_around():
    broken = proxies(a=ProxySettings(url="http://0x7f.1:3128"))
    for _ in range(2):
        with pytest.raises(GuestError, match=r"channels\.demo \(account a\): proxy\.url") as caught:
            broken.of(["a/token"])
        assert caught.value.code == "not-configured"


def test_settings_without_an_address_are_none():
    assert proxies(a=ProxySettings()).of(["a/token"]) is None


def test_the_same_settings_are_the_same_proxy_and_changed_ones_count_at_once():
    accounts: dict[str, ProxySettings | None] = {"a": NORTH}
    made = AccountProxies(lambda: accounts, where="channels.demo")
    first = made.of(["a/token"])
    assert made.of(["a/token"]) is first
    accounts["a"] = SOUTH
    assert host_of(made, "a/token") == "south.example"
    accounts["a"] = NORTH
    again = made.of(["a/token"])
    assert again is not first  # what is not configured any more was forgotten
    assert again is not None
    assert "pw" not in repr(again)
