from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from carapace.net.url import (
    Endpoint,
    InvalidUrl,
    as_http_url,
    check_host,
    join_url,
    literal,
    parse_url,
)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("https://Example.COM", Endpoint("https", "example.com", 443, "/")),
        ("HTTP://a.b.:8080/x?y#z", Endpoint("http", "a.b", 8080, "/x?y")),
        ("http://a?q=1", Endpoint("http", "a", 80, "/?q=1")),
        ("http://[::1]:1/", Endpoint("http", "::1", 1, "/")),
        ("http://[0:0::1]", Endpoint("http", "::1", 80, "/")),
        ("http://1.2.3.4/", Endpoint("http", "1.2.3.4", 80, "/")),
        ("http://xn--bcher-kva.example/", Endpoint("http", "xn--bcher-kva.example", 80, "/")),
        ("http://xn--fa-hia.de/", Endpoint("http", "xn--fa-hia.de", 80, "/")),
        ("http://xn--wgv71a119e.jp/", Endpoint("http", "xn--wgv71a119e.jp", 80, "/")),
        ("http://xn--ls8h.la/", Endpoint("http", "xn--ls8h.la", 80, "/")),
        ("http://a_b.example/", Endpoint("http", "a_b.example", 80, "/")),
    ],
)
def test_plain_urls_are_read(text, endpoint):
    assert parse_url(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com",
        "file:///etc/passwd",
        "file://host/share",
        "\\\\host\\share",
        "ftp://a/",
        "javascript://a",
        "http:/a",
        "http://",
        "http://user@a/",
        "http://user:pw@a/",
        "http://a@b@c/",
        "http://a\\@b/",
        "http://a b/",
        "http://a\t/",
        "http://a\n/",
        "http://a/\x00",
        "http://a/\x7f",
        "http://a/\xa0",
        " http://a/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:999999999999/",
        "http://a:b/",
        "http://a:-1/",
        "http://a:/",
        "http://a:٣/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://1.2.3.4.5/",
        "http://1.2.3.256/",
        "http://a.0x/",
        "http://①②⑦.0.0.1/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http://a..b/",
        "http://-a.b/",
        "http://a-.b/",
        "http://.a/",
        "http://./",
        "http://[::1/",
        "http://[::1]x/",
        "http://::1/",
        "http://[fe80::1%25eth0]/",
        "http://[v1.x]/",
        "http://" + "a" * 64 + "/",
        "http://" + "a." * 127 + "ab/",
        "http://a/" + "x" * 9000,
        "http://a/\ud800",
        "http://xn--a.example/",
        "http://xn--.example/",
        "http://xn--abc-.example/",
        "http://xn--bcher-kv1.example/",
        "http://xn--99999999999.example/",
        "http://xn--a-0000000.example/",
        # a fullwidth letter, and a capital, in their encoded forms
        "http://" + "xn--" + "\uff41".encode("punycode").decode() + ".example/",
        "http://" + "xn--" + "\u00dcber".encode("punycode").decode() + ".example/",
    ],
)
def test_whatever_could_be_read_in_two_ways_is_refused(text):
    with pytest.raises(InvalidUrl):
        parse_url(text)


def test_origin_is_scheme_host_and_port():
    assert parse_url("https://a/x").origin == ("https", "a", 443)


def test_hosts_have_one_spelling():
    assert check_host("A.b.") == "a.b"
    assert check_host("[0::1]") == "::1"
    assert check_host("::0001") == "::1"


def test_literals_are_told_from_names():
    assert literal("1.2.3.4") == IPv4Address("1.2.3.4")
    assert literal("::1") == IPv6Address("::1")
    assert literal("example.com") is None


def test_websocket_urls_are_read_as_what_they_are_upgraded_from():
    assert as_http_url("ws://a/x") == "http://a/x"
    assert as_http_url("Wss://a/ws://b") == "https://a/ws://b"
    for other in ("https://a/", "wsx://a/", "x ws://a/", "ws:/a"):
        assert as_http_url(other) == other


@pytest.mark.parametrize(
    ("reference", "joined"),
    [
        ("c", "https://a.example/x/c"),
        ("/c?d#e", "https://a.example/c?d#e"),
        ("../c", "https://a.example/c"),
        ("//b.example/c", "https://b.example/c"),
        ("http://b.example/c", "http://b.example/c"),
        ("", "https://a.example/x/y"),
    ],
)
def test_links_are_joined_to_their_page(reference, joined):
    assert join_url("https://a.example/x/y", reference) == joined


@pytest.mark.parametrize(
    "reference",
    [
        "https:c",
        "https:/c",
        "https:///b.example/",
        "https://",
        "//",
        "//?x",
        "///b.example/",
        "////b.example/",
        "/\\b.example/",
        "\\\\b.example",
        " /c",
        "/c\n",
        "ht\ntps://b.example/",
        "//user@b.example/",
        "//127.1/",
        "//[::1",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://b.example/",
    ],
)
def test_links_that_could_be_read_in_two_ways_are_refused(reference):
    with pytest.raises(InvalidUrl):
        join_url("https://a.example/x/y", reference)
