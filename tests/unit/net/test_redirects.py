from __future__ import annotations

import httpx2
import pytest

from carapace.net.redirects import next_request
from carapace.net.refused import EgressRefused

SECRETS = {
    "Authorization": "Bearer s",
    "Cookie": "a=s",
    "X-Api-Key": "s",
    "X-Vendor-Thing": "s",
    "Accept": "text/plain",
    "User-Agent": "ua",
}


def follow(url, location, *, method="GET", status=302, hops=0, most=5):
    request = httpx2.Request(method, url, headers=SECRETS)
    return next_request(request, status, location, hops=hops, max_redirects=most)


def test_the_same_origin_keeps_its_headers():
    request = follow("https://a.example/x", "/y?z")
    assert request is not None
    assert str(request.url) == "https://a.example/y?z"
    assert request.headers["authorization"] == "Bearer s"


@pytest.mark.parametrize(
    "location", ["https://b.example/", "//b.example/", "https://a.example:444/"]
)
def test_another_origin_gets_harmless_headers_only(location):
    request = follow("https://a.example/", location)
    assert request is not None
    assert set(request.headers) == {"host", "accept", "user-agent"}
    assert request.headers["host"] == request.url.netloc.decode()


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://a.example/", "https to http"),
        ("file:///etc/passwd", "unreadable"),
        ("https://u:p@a.example/", "unreadable"),
        ("/\\b.example", "unreadable"),
        ("https://a.example /", "unreadable"),
        ("https://[::1", "unreadable"),
    ],
)
def test_odd_targets_are_refused(location, reason):
    with pytest.raises(EgressRefused, match=reason):
        follow("https://a.example/", location)


def test_there_is_a_cap():
    with pytest.raises(EgressRefused, match="more than 5"):
        follow("https://a.example/", "/x", hops=5)


def test_a_body_is_never_sent_to_another_origin():
    with pytest.raises(EgressRefused, match="of a POST to another origin"):
        follow("https://a.example/", "https://b.example/", method="POST", status=307)
    assert follow("https://a.example/", "/x", method="POST", status=308) is None


def test_without_leave_nothing_is_followed():
    assert follow("https://a.example/", "/x", most=0) is None
    with pytest.raises(EgressRefused):
        follow("https://a.example/", "https://b.example/", most=0)


def test_ipv6_hosts_keep_their_brackets():
    request = follow("http://[2606:4700::1]:81/", "/x")
    assert request is not None
    assert str(request.url) == "http://[2606:4700::1]:81/x"
