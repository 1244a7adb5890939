"""Headers make a request less trusted, never more."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.auth.origin import describe, is_loopback_host, is_tailnet_address, refusal
from support.auth import gateway, headers, origin_of

HOST = ("Host", "127.0.0.1:18789")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:18789", "127.0.0.1:1", "[::1]:18789", "LOCALHOST"]
)
def test_loopback_peer_that_names_this_machine_is_local(host: str):
    origin = origin_of("127.0.0.1", ("Host", host))
    assert origin.is_local
    assert origin.is_private


@pytest.mark.parametrize(
    ("peer", "pairs"),
    [
        ("192.0.2.7", [HOST]),
        ("127.0.0.1", []),
        ("127.0.0.1", [("Host", "evil.example")]),
        ("127.0.0.1", [("Host", "box.tail1234.ts.net")]),
        ("127.0.0.1", [("Host", "localhost.evil.example")]),
        ("127.0.0.1", [HOST, ("X-Forwarded-For", "127.0.0.1")]),
        ("127.0.0.1", [HOST, ("X-Forwarded-For", "")]),
        ("127.0.0.1", [HOST, ("x-real-ip", "127.0.0.1")]),
        ("127.0.0.1", [HOST, ("Forwarded", "for=127.0.0.1")]),
        ("127.0.0.1", [HOST, ("X-Forwarded-Host", "localhost")]),
        ("127.0.0.1", [HOST, ("Via", "1.1 proxy")]),
        ("not an address", [HOST]),
    ],
)
def test_everything_else_is_not(peer: str, pairs: list[tuple[str, str]]):
    for proxies in ([], ["127.0.0.0/8"]):
        assert not origin_of(peer, *pairs, trustedProxies=proxies).is_local


def test_mapped_loopback_is_loopback():
    origin = origin_of("::ffff:127.0.0.1", HOST)
    assert origin.is_local
    assert origin.peer_ip == "127.0.0.1"


PROXIES = ["10.0.0.0/8", "127.0.0.1", "nonsense"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [" , ,"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_is_the_client(
    peer: str, forwarded: list[str], client: str
):
    pairs = [("X-Forwarded-For", value) for value in forwarded]
    assert origin_of(peer, HOST, *pairs, trustedProxies=PROXIES).client_ip == client


def test_real_ip_counts_where_a_proxy_sends_nothing_else():
    origin = origin_of("10.0.0.1", HOST, ("X-Real-IP", "203.0.113.9"), trustedProxies=PROXIES)
    assert origin.client_ip == "203.0.113.9"
    assert origin.via_trusted_proxy


@pytest.mark.parametrize(
    ("peer", "pairs", "fields", "is_private"),
    [
        ("192.0.2.7", [], {}, False),
        ("100.64.1.2", [], {}, True),
        ("fd7a:115c:a1e0::9", [], {}, True),
        ("10.0.0.1", [("X-Forwarded-Proto", "https")], {"trustedProxies": PROXIES}, True),
        ("10.0.0.1", [("X-Forwarded-Proto", "http")], {"trustedProxies": PROXIES}, False),
        ("10.0.0.1", [("X-Forwarded-Proto", "https, http")], {"trustedProxies": PROXIES}, False),
        ("192.0.2.7", [("X-Forwarded-Proto", "https")], {"trustedProxies": PROXIES}, False),
        ("127.0.0.1", [("X-Forwarded-Proto", "https")], {}, False),
        ("127.0.0.1", [("X-Forwarded-For", "100.64.1.2")], {"tailscale": {"mode": "serve"}}, True),
        ("no address", [], {}, False),
    ],
)
def test_private_is_what_nobody_on_the_way_can_read(
    peer: str, pairs: list[tuple[str, str]], fields: dict[str, Any], is_private: bool
):
    assert origin_of(peer, HOST, *pairs, **fields).is_private is is_private


def test_our_own_tls_is_private():
    assert describe("192.0.2.7", headers(HOST), gateway(), is_tls=True).is_private


def test_tailnet_login_is_kept_only_from_loopback():
    pairs = [("Tailscale-User-Login", "ada@example.com"), ("X-Forwarded-For", "100.64.1.2")]
    served = origin_of("127.0.0.1", HOST, *pairs)
    assert (served.tailscale_login, served.forwarded_for) == ("ada@example.com", "100.64.1.2")
    assert origin_of("192.0.2.7", HOST, *pairs).tailscale_login is None


def test_long_headers_are_cut():
    origin = origin_of("192.0.2.7", ("Host", "h" * 9999), ("User-Agent", "u" * 9999))
    assert len(origin.host) == 512
    assert origin.user_agent is not None
    assert len(origin.user_agent) == 512


@pytest.mark.parametrize(
    ("host", "page", "fields"),
    [
        ("127.0.0.1:18789", None, {}),
        ("127.0.0.1:18789", "http://127.0.0.1:18789", {}),
        ("127.0.0.1:18789", "http://localhost:5173", {}),
        ("localhost:18789", "http://LOCALHOST:18789", {}),
        ("[::1]:18789", "http://[::1]:18789", {}),
        ("192.0.2.1:18789", "http://192.0.2.1:18789", {}),
        ("box.local:18789", "http://box.local:18789", {}),
        ("gw.tail1234.ts.net", "https://gw.tail1234.ts.net", {}),
        ("gw.example.com", "https://gw.example.com", {"allowedHosts": ["GW.example.com"]}),
        ("gw.example.com:444", None, {"allowedHosts": ["gw.example.com:444"]}),
        ("127.0.0.1", "https://ui.example.com", {"allowedOrigins": ["https://ui.example.com"]}),
    ],
)
def test_own_pages_and_native_clients_may_open(host: str, page: str | None, fields: dict[str, Any]):
    pairs = [("Host", host)] + ([("Origin", page)] if page else [])
    origin = origin_of("127.0.0.1", *pairs, **fields)
    assert refusal(origin, gateway(**fields), own_names=("box.local",)) is None


@pytest.mark.parametrize(
    ("peer", "host", "page", "names"),
    [
        ("127.0.0.1", "evil.example:18789", "http://evil.example:18789", "allowedHosts"),
        ("127.0.0.1", "evil.example", None, "allowedHosts"),
        ("127.0.0.1", "", None, "allowedHosts"),
        ("127.0.0.1", "a@127.0.0.1", None, "allowedHosts"),
        ("127.0.0.1", "127.0.0.1:99999", None, "allowedHosts"),
        ("127.0.0.1", "127.0.0.1:18789", "https://evil.test", "allowedOrigins"),
        ("127.0.0.1", "127.0.0.1:18789", "null", "allowedOrigins"),
        ("127.0.0.1", "127.0.0.1:18789", "", "allowedOrigins"),
        ("127.0.0.1", "127.0.0.1:18789", "http://[", "allowedOrigins"),
        ("127.0.0.1", "127.0.0.1:18789", "file:///x", "allowedOrigins"),
        ("192.0.2.7", "192.0.2.1:18789", "http://192.0.2.1:80", "allowedOrigins"),
        ("192.0.2.7", "192.0.2.1:18789", "http://localhost:18789", "allowedOrigins"),
    ],
)
def test_foreign_pages_and_rebound_names_may_not(
    peer: str, host: str, page: str | None, names: str
):
    pairs = [("Host", host)] + ([] if page is None else [("Origin", page)])
    why_not = refusal(origin_of(peer, *pairs), gateway())
    assert why_not is not None
    assert f"gateway.{names}" in why_not


def test_small_questions():
    assert is_loopback_host("localhost.")
    assert not is_loopback_host("")
    assert is_tailnet_address("100.127.0.1")
    assert not is_tailnet_address("100.128.0.1")
    assert not is_tailnet_address("x")
