"""What is asked for is told in sentences, and what is more than before is found."""

from __future__ import annotations

import pytest

from carapace.plugins.package.permissions import (
    ALWAYS,
    Ask,
    InvalidPermission,
    Limits,
    Permissions,
    compare,
    parse_http,
    parse_websocket,
)


def added(old: Permissions, new: Permissions) -> tuple[str, ...]:
    return compare(Ask(roles=(), permissions=old), Ask(roles=(), permissions=new)).added


def http(*rules: str) -> Permissions:
    return Permissions(http=rules)


def test_a_capability_without_a_line_is_not_granted():
    assert Permissions().interfaces() == ALWAYS == {"log", "config", "status"}


def test_each_line_opens_its_interface():
    everything = Permissions(
        http=("GET https://a.example/**",),
        websocket=("wss://a.example/s",),
        credentials=("token",),
        hooks=("message.received",),
        media=True,
        inbound=True,
        timers=True,
        poll=True,
        crypto=True,
        agent=True,
        kv_max_bytes=1,
    )
    assert everything.interfaces() == ALWAYS | {
        "http", "websocket", "credentials", "media", "inbound", "timers", "poll", "crypto",
        "agent", "kv",
    }  # fmt: skip
    assert everything.http_rules()[0].methods == {"GET"}
    assert everything.websocket_rules()[0].scheme == "https"


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/",
        "get https://a.example/",
        "GET, POST https://a.example/",
        "GET  https://a.example/",
        "GET ftp://a.example/",
        "GET https://a.example/../x",
        "GET https://user@a.example/",
        "GET https://*.example/",
        "GET https://a.example/*/x",
        "GET",
        "",
    ],
)
def test_what_is_no_rule_for_requests_is_refused(text):
    with pytest.raises(InvalidPermission):
        parse_http(text)


@pytest.mark.parametrize("text", ["https://a.example/", "wss://a.example/%2e%2e/x", "wss:", ""])
def test_what_is_no_rule_for_connections_is_refused(text):
    with pytest.raises(InvalidPermission):
        parse_websocket(text)


def test_against_nothing_everything_is_new():
    ask = Ask(
        roles=("tool", "hooks"),
        permissions=Permissions(credentials=("token",), hooks=("message.received",), agent=True),
        limits=Limits(memory_mib=64, call_timeout_s=10),
    )
    diff = compare(None, ask)
    assert diff.is_wider
    assert diff.removed == ()
    assert diff.added == (
        "be a tool that the assistant may call",
        "look at what passes through the gateway",
        "use the secret token",
        "see and change: message.received",
        "start turns of the assistant",
        "use 64 MiB of memory",
        "work for 10 s at a time",
    )


def test_the_same_is_no_wider():
    ask = Ask(roles=("tool",), permissions=http("GET,POST https://a.example/v1/**"))
    assert not compare(ask, ask).is_wider
    assert compare(ask, ask).removed == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GET,POST https://a.example/v1/**", "GET https://a.example/v1/**"),
        ("GET,POST https://a.example/v1/**", "POST,GET https://a.example/v1/x/**"),
        ("GET https://a.example/v1/**", "GET https://a.example/v1/x"),
        ("GET https://a.example", "GET https://a.example/v1/**"),
        ("GET https://*.a.example/**", "GET https://b.a.example/**"),
        ("GET https://*.a.example/**", "GET https://*.b.a.example/**"),
        ("GET https://a.example/x", "GET https://a.example/x"),
    ],
)
def test_a_narrower_rule_needs_no_consent(old, new):
    assert added(http(old), http(new)) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GET https://a.example/v1/**", "GET,POST https://a.example/v1/**"),
        ("GET https://a.example/v1/**", "GET https://a.example/**"),
        ("GET https://a.example/v1/**", "GET https://a.example/v10/**"),
        ("GET https://a.example/v1", "GET https://a.example/v1/**"),
        ("GET https://a.example/**", "GET http://a.example/**"),
        ("GET https://a.example/**", "GET https://a.example:8443/**"),
        ("GET https://a.example/**", "GET https://*.a.example/**"),
        ("GET https://*.a.example/**", "GET https://a.example/**"),
        ("GET https://*.b.a.example/**", "GET https://*.a.example/**"),
        ("GET https://a.example/**", "GET https://b.example/**"),
    ],
)
def test_a_wider_rule_needs_consent(old, new):
    (sentence,) = added(http(old), http(new))
    assert sentence.startswith(f"send requests: {new}")


def test_methods_may_come_from_several_rules():
    old = http("GET https://a.example/**", "POST https://a.example/v1/**")
    assert added(old, http("GET,POST https://a.example/v1/**")) == ()
    assert added(old, http("GET,POST https://a.example/v2/**")) != ()


def test_clear_text_is_pointed_out():
    assert "not encrypted" in added(http(), http("GET http://a.example/"))[0]
    assert "not encrypted" not in added(http(), http("GET https://a.example/"))[0]
    sockets = added(Permissions(), Permissions(websocket=("ws://a.example/", "wss://a.example/")))
    assert ["not encrypted" in one for one in sockets] == [True, False]


def test_connections_are_compared_like_requests():
    old = Permissions(websocket=("wss://a.example/**",))
    assert added(old, Permissions(websocket=("wss://a.example/s",))) == ()
    assert added(old, Permissions(websocket=("ws://a.example/s",))) != ()


def test_what_is_given_up_is_told_and_needs_no_consent():
    old = Ask(roles=("tool", "webhook"), permissions=Permissions(media=True, kv_max_bytes=10))
    diff = compare(old, Ask(roles=("tool",), limits=Limits(memory_mib=32)))
    assert not diff.is_wider
    assert diff.removed == (
        "answer requests that come in under its own address",
        "put files into the media store and link to them",
        "keep 10 bytes of its own",
    )


@pytest.mark.parametrize(
    "limits", [Limits(memory_mib=65), Limits(call_timeout_s=11), Limits(memory_mib=512)]
)
def test_more_memory_or_time_needs_consent(limits):
    assert compare(Ask(roles=()), Ask(roles=(), limits=limits)).is_wider


def test_a_larger_store_needs_consent():
    assert added(Permissions(kv_max_bytes=10), Permissions(kv_max_bytes=11)) == (
        "keep 11 bytes of its own",
    )
