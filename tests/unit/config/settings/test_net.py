from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.net import NetSettings, ProxySettings


def read(url):
    return msgspec.convert({"url": url}, ProxySettings)


def test_there_is_no_proxy_unless_one_is_named():
    assert NetSettings().proxy.url is None


@pytest.mark.parametrize(
    "url",
    ["http://p.example:3128", "https://p.example/", "socks5://127.0.0.1:1080", "socks5h://[::1]:1"],
)
def test_addresses_of_proxies_are_taken(url):
    assert read(url).url == url


@pytest.mark.parametrize(
    "url", ["p.example:3128", "ftp://p.example", "http://ada:pw@p.example", "http://p.example/x"]
)
def test_other_texts_are_not(url):
    with pytest.raises(msgspec.ValidationError):
        read(url)
