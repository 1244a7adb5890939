"""A plugin reaches what its manifest and the operator name, however it writes the address."""

from __future__ import annotations

import pytest

from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.errors import GuestError
from carapace.plugins.package.permissions import parse_http

RULES = OutboundRules(
    plugin_id="demo",
    manifest=(parse_http("GET,POST https://api.example/v1/**"),),
    operator=(
        parse_http("GET http://10.0.0.5:8080/**"),
        parse_http("GET http://*.lan.example/**"),
    ),
)


def code(method: str, url: str, **more) -> str:
    with pytest.raises(GuestError) as caught:
        RULES.check(method, url, **more)
    return caught.value.code


def test_what_is_named_may_be_asked():
    assert RULES.check("GET", "https://api.example/v1/x?y=1") == "api.example"
    assert RULES.check("GET", "http://10.0.0.5:8080/", has_secrets=True) == "10.0.0.5"
    assert RULES.check("GET", "ws://10.0.0.5:8080/socket") == "10.0.0.5"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/v1/../admin",
        "https://api.example/v1/%2e%2e/admin",
        "https://api.example/v1/%252e%252e/admin",
        "https://api.example/v1/..;x/admin",
        "https://api.example/v2/x",
        "https://api.example:8443/v1/x",
        "http://api.example/v1/x",
        "https://api.example.evil.example/v1/x",
        "https://evil.example/v1/x",
        "http://10.0.0.6:8080/",
    ],
)
def test_what_is_not_named_may_not(url):
    assert code("GET", url) == "not-granted"


@pytest.mark.parametrize(
    "url",
    [
        "https://user@api.example/v1/x",
        "https://api.example\\@evil.example/v1/x",
        "https:/api.example/v1/x",
        "file:///etc/passwd",
        "",
        "https://api.example/v1/a b",
    ],
)
def test_what_reads_in_two_ways_is_refused(url):
    assert code("GET", url) == "invalid-argument"


def test_other_methods_are_refused():
    assert code("DELETE", "https://api.example/v1/x") == "not-granted"


def test_an_error_names_the_host_and_nothing_else():
    with pytest.raises(GuestError) as caught:
        RULES.check("GET", "https://evil.example/path-with-a-token?k=secret")
    assert "evil.example:443" in caught.value.message
    assert "token" not in caught.value.message
    assert "secret" not in caught.value.message


def test_secrets_do_not_travel_in_clear_text_unless_the_operator_wrote_the_host_out():
    assert code("GET", "http://a.lan.example/", has_secrets=True) == "refused"
    assert RULES.check("GET", "http://a.lan.example/") == "a.lan.example"


def test_only_exact_hosts_of_the_operator_may_be_in_our_own_network():
    policy = RULES.caller(max_bytes=10, max_redirects=2, total_s=3.0).policy
    assert policy.allow_hosts == {("10.0.0.5", 8080)}
    assert (policy.max_wire_bytes, policy.max_decoded_bytes) == (10, 10)
    assert policy.total_timeout_s == 3.0
    assert RULES.caller(max_bytes=1, max_redirects=0, total_s=None).policy.total_timeout_s is None
