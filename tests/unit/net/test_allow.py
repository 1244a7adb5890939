from __future__ import annotations

import pytest

from carapace.net.allow import (
    AllowRule,
    HostPattern,
    is_plain_path,
    parse_host_pattern,
    parse_rule,
)
from carapace.net.url import InvalidUrl, parse_url


def admits(rule, url, method="GET"):
    return parse_rule(rule).admits(method, parse_url(url))


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        ("https://api.example.com", "https://api.example.com/any/path?q=1"),
        ("https://api.example.com/", "https://API.example.com.:443/"),
        ("https://api.example.com/**", "https://api.example.com/x"),
        ("https://api.example.com:8443/**", "https://api.example.com:8443/x"),
        ("http://api.example.com", "http://api.example.com/"),
        ("https://*.example.com", "https://a.example.com/"),
        ("https://*.example.com", "https://a.b.example.com/"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/a/b?../x"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/a%2Fb"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/...x/.hidden"),
        ("https://api.example.com/v1/chat", "https://api.example.com/v1/chat?x=/y"),
        ("wss://gateway.example.com/ws", "https://gateway.example.com/ws"),
        ("https://1.1.1.1/**", "https://1.1.1.1/"),
        ("https://[2606:4700:4700::1111]/**", "https://[2606:4700:4700::1111]/x"),
    ],
)
def test_a_rule_admits_what_it_says(rule, url):
    assert admits(rule, url)


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        ("https://api.example.com", "http://api.example.com/"),
        ("https://api.example.com", "https://api.example.com:8443/"),
        ("https://api.example.com", "https://evil-api.example.com/"),
        ("https://api.example.com", "https://api.example.com.evil.example/"),
        ("https://api.example.com", "https://example.com/"),
        ("https://*.example.com", "https://example.com/"),
        ("https://*.example.com", "https://evilexample.com/"),
        ("https://*.example.com", "https://a.example.com.evil.example/"),
        ("https://*.example.com:444", "https://a.example.com/"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1"),
        ("https://api.example.com/v1/**", "https://api.example.com/v10/"),
        ("https://api.example.com/v1/**", "https://api.example.com/V1/"),
        ("https://api.example.com/v1/**", "https://api.example.com//v1/x"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/../admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/./admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/%2e%2e/admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/.%2E/admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/%252e%252e/admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/..%2fadmin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/..%5cadmin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/..;x/admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/%c0%ae%c0%ae/admin"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/x%00"),
        ("https://api.example.com/v1/**", "https://api.example.com/v1/%25252525252e/"),
        ("https://api.example.com/v1/**", "https://api.example.com/?/v1/"),
        ("https://api.example.com/v1/chat", "https://api.example.com/v1/chat/"),
        ("https://api.example.com/v1/chat", "https://api.example.com/v1/cha%74"),
    ],
)
def test_a_rule_admits_nothing_else(rule, url):
    assert not admits(rule, url)


def test_methods_are_compared_without_case():
    rule = parse_rule("https://a.example", methods=["get", "POST"])
    here = parse_url("https://a.example/")
    assert rule.admits("GET", here)
    assert rule.admits("post", here)
    assert not rule.admits("DELETE", here)
    assert not parse_rule("https://a.example", methods=[]).admits("GET", here)


def test_a_rule_is_read_into_its_parts():
    assert parse_rule("wss://*.example.com:444/v1/**", methods=["get"]) == AllowRule(
        scheme="https",
        host=HostPattern("example.com", is_below=True),
        port=444,
        path="/v1/",
        methods=frozenset(["GET"]),
    )
    assert parse_rule("http://a.example/x") == AllowRule(
        scheme="http", host=HostPattern("a.example"), port=80, path="/x", is_exact=True
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "api.example.com",
        "https://*",
        "https://*.com",
        "https://*.com./",
        "https://*.*.example.com",
        "https://a.*.example.com",
        "https://a*.example.com",
        "https://*.1.2.3.4",
        "https://*.1.1",
        "https://user@a.example/",
        "https://a.example:*/",
        "https://a.example/*/x",
        "https://a.example/v1/*",
        "https://a.example/v1**",
        "https://a.example/v1/**/x",
        "https://a.example/../**",
        "https://a.example/x?y=1",
        "ftp://a.example/**",
        "https://a.example\\x/**",
    ],
)
def test_rules_that_promise_more_than_they_mean_are_refused(text):
    with pytest.raises(InvalidUrl):
        parse_rule(text)


def test_host_patterns():
    assert parse_host_pattern("API.example.com.").matches("api.example.com")
    assert parse_host_pattern("*.example.com").matches("a.example.com")
    assert not parse_host_pattern("*.example.com").matches("example.com")
    assert parse_host_pattern("[2606::1]").matches("2606::1")
    for text in ("*.com", "*.10.0.0.1", "*."):
        with pytest.raises(InvalidUrl):
            parse_host_pattern(text)


@pytest.mark.parametrize("path", ["/", "/a/b", "/a%20b", "/a..b/c...", "/%41", "/a;b/c", "/日本"])
def test_honest_paths_are_plain(path):
    assert is_plain_path(path)


@pytest.mark.parametrize(
    "path", ["/..", "/a/../b", "/.", "/a\\..\\b", "/%2E%2e", "/%2e;x", "/a%5c..", "/\x00", "/%ff"]
)
def test_paths_that_lead_elsewhere_are_not(path):
    assert not is_plain_path(path)
