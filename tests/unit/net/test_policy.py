from __future__ import annotations

from ipaddress import ip_address

import pytest

from carapace.net.allow import parse_rule
from carapace.net.policy import EgressCaller, EgressPolicy, allow_url, names_own_network
from carapace.net.url import InvalidUrl, parse_url
from support.egress import PUBLIC

OPEN = EgressPolicy()


def addresses(*texts):
    return [ip_address(text) for text in texts]


def test_public_hosts_pass():
    assert OPEN.refuse_url(parse_url("https://example.com/")) is None
    assert OPEN.refuse_addresses("example.com", 443, addresses(PUBLIC)) is None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "x.localhost.", "metadata.google.internal.", "nas.local"]
)
def test_local_and_metadata_names_are_refused_before_a_look_up(host):
    assert OPEN.refuse_url(parse_url(f"http://{host}/")) is not None


def test_one_bad_address_refuses_the_name():
    reason = OPEN.refuse_addresses("a.example", 80, addresses(PUBLIC, "10.0.0.1"))
    assert reason == "10.0.0.1 is private network (RFC 1918)"


def test_a_name_without_address_is_refused():
    assert OPEN.refuse_addresses("a.example", 80, []) == "the name has no address"


def test_a_literal_is_named_by_its_range_alone():
    assert OPEN.refuse_addresses("10.0.0.1", 80, addresses("10.0.0.1")) == (
        "private network (RFC 1918)"
    )


def test_an_allowed_pair_opens_itself_and_nothing_else():
    policy = EgressPolicy(allow_hosts=frozenset([("127.0.0.1", 11434)]), allow_http=False)
    assert policy.refuse_url(parse_url("http://127.0.0.1:11434/")) is None
    assert policy.refuse_addresses("127.0.0.1", 11434, addresses("127.0.0.1")) is None
    assert policy.refuse_addresses("127.0.0.1", 11435, addresses("127.0.0.1")) is not None
    assert policy.refuse_addresses("127.0.0.2", 11434, addresses("127.0.0.2")) is not None


def test_metadata_is_closed_even_if_allowed():
    policy = EgressPolicy(
        allow_hosts=frozenset(
            [("169.254.169.254", 80), ("metadata.google.internal", 80), ("m.example", 80)]
        )
    )
    assert policy.refuse_url(parse_url("http://metadata.google.internal/")) is not None
    for host in ("169.254.169.254", "m.example"):
        reason = policy.refuse_addresses(host, 80, addresses("169.254.169.254"))
        assert reason == "169.254.169.254 is a cloud metadata service"


def test_only_hosts_is_an_exact_list():
    policy = EgressPolicy(only_hosts=frozenset([("graph.microsoft.com", 443)]))
    assert policy.refuse_url(parse_url("https://graph.microsoft.com/")) is None
    for host in ("evil-graph.microsoft.com", "graph.microsoft.com.evil.example"):
        assert policy.refuse_url(parse_url(f"https://{host}/")) is not None


def test_clear_text_can_be_refused():
    policy = EgressPolicy(allow_http=False)
    assert "https is required" in (policy.refuse_url(parse_url("http://a.example/")) or "")
    assert policy.refuse_url(parse_url("https://a.example/")) is None


def test_a_base_url_names_its_pair():
    assert allow_url("http://LOCALHOST:11434/v1") == ("localhost", 11434)
    with pytest.raises(InvalidUrl):
        allow_url("localhost:11434")


def test_a_caller_starts_with_public_addresses_only():
    assert EgressCaller("x").policy.allow_hosts == frozenset()


def test_rules_narrow_a_policy_to_requests():
    policy = EgressPolicy(rules=(parse_rule("https://a.example/v1/**", methods=["GET"]),))
    assert policy.refuse_url(parse_url("https://a.example/v1/x")) is None
    assert policy.refuse_url(parse_url("https://a.example/v1/x"), method="POST") is not None
    assert policy.refuse_url(parse_url("https://a.example/admin")) is not None


def test_an_empty_list_of_rules_admits_nothing():
    policy = EgressPolicy(rules=())
    assert "not one of the requests" in (policy.refuse_url(parse_url("https://a.example/")) or "")


def test_a_rule_never_opens_what_is_closed():
    hosts = ("http://127.0.0.1", "http://localhost", "http://metadata.google.internal")
    policy = EgressPolicy(rules=tuple(parse_rule(host) for host in hosts))
    assert policy.refuse_addresses("127.0.0.1", 80, [ip_address("127.0.0.1")]) is not None
    for host in hosts[1:]:
        assert policy.refuse_url(parse_url(host)) is not None


def test_a_host_may_be_refused_before_anything_is_known_of_the_request():
    policy = EgressPolicy(only_hosts=frozenset([("a.example", 443)]))
    assert policy.refuse_host("a.example", 443) is None
    assert policy.refuse_host("a.example", 80) is not None
    assert OPEN.refuse_host("printer", 80) == "a name of this machine or its local network"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]/v1", True),
        ("http://192.168.1.2/v1", True),
        ("https://8.8.8.8", False),
        ("https://localhost.example", False),
        ("http://[::ffff:10.0.0.1]/", True),
        ("http://[64:ff9b::7f00:1]/", True),
    ],
)
def test_only_a_url_that_names_its_own_network_may_lead_there(url: str, own: bool):
    assert names_own_network(parse_url(url)) is own
