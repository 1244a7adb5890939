"""`plugin.toml` is read strictly: what is not understood is refused, with what to do."""

from __future__ import annotations

import pytest

from carapace.plugins.contract_versions import ContractVersions
from carapace.plugins.package import manifest as unit
from carapace.plugins.package.manifest import InvalidManifest, parse_manifest
from support.packages import PUBLISHER, manifest_text

FULL = """
id = "zalo"
version = "1.2.3"
name = "Zalo (Bot API)"
description = "A chat service."
wit = "1.0"
min_host = "0.1.0"
rollback_floor = "1.1.0"
roles = ["channel", "webhook", "service", "setup", "hooks"]
[permissions]
http = ["POST https://bot.example/**"]
websocket = ["wss://bot.example/s"]
credentials = ["botToken", "webhookSecret"]
hooks = ["message.received"]
media = true
inbound = true
timers = true
poll = true
kv_max_bytes = 1048576
[limits]
memory_mib = 32
call_timeout_s = 5
"""


def refused(text: str | bytes, **options: str) -> str:
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(text if isinstance(text, bytes) else text.encode(), **options)
    return str(caught.value)


def test_all_of_a_manifest_is_read():
    found = parse_manifest(FULL.encode())
    assert (found.id, found.version, found.name) == ("zalo", "1.2.3", "Zalo (Bot API)")
    assert (found.wit, found.min_host, found.rollback_floor) == ("1.0", "0.1.0", "1.1.0")
    assert found.roles == ("channel", "webhook", "service", "setup", "hooks")
    assert found.permissions.http == ("POST https://bot.example/**",)
    assert found.permissions.credentials == ("botToken", "webhookSecret")
    assert found.permissions.hooks == ("message.received",)
    assert (found.permissions.media, found.permissions.agent) == (True, False)
    assert found.permissions.kv_max_bytes == 1_048_576
    assert (found.limits.memory_mib, found.limits.call_timeout_s) == (32, 5)
    assert found.publisher is None
    assert found.ask.roles == found.roles


def test_little_is_needed():
    found = parse_manifest(manifest_text().encode())
    assert found.publisher == PUBLISHER
    assert (found.limits.memory_mib, found.limits.call_timeout_s) == (64, 10)
    assert found.description == ""


@pytest.mark.parametrize(
    "plugin_id", ["", "a", "A1", "1a", "../x", "a/b", "a" * 33, "a_b", "a.b", "a b", "ab\\n"]
)
def test_an_id_is_a_plain_word(plugin_id):
    assert "plugin.toml" in refused(manifest_text(plugin_id=plugin_id))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("typo = 1", "unknown field"),
        ('publisher2 = "x"', "unknown field"),
        ("= 1", "no TOML"),
        ('rollback_floor = "2.0.0"', "higher than the version"),
        ('rollback_floor = "x"', "is no version"),
        ('min_host = "x"', "is no version"),
        ('min_host = "9.0.0"', "update the gateway"),
    ],
)
def test_what_is_not_understood_is_refused(more, why):
    assert why in refused(manifest_text(more=more))


@pytest.mark.parametrize(
    ("permissions", "why"),
    [
        ("files = true", "unknown field"),
        ("media = 1", "Expected `bool`"),
        ('http = ["https://a.example/"]', "write the methods"),
        ('http = ["GET https://a.example/", "GET https://a.example/"]', "names something twice"),
        ('websocket = ["https://a.example/"]', "begins with wss"),
        ('credentials = ["a/b"]', "matching regex"),
        ('credentials = ["a", "a"]', "names something twice"),
        ("kv_max_bytes = -1", "`int` >= 0"),
        ("kv_max_bytes = 1000000000", "`int` <="),
        ("kv_max_bytes = 1.5", "Expected `int`"),
        ('hooks = ["message.received"]', "go together"),
        ("timers = true", "needs the role service"),
        ("poll = true", "needs the role service"),
        ('websocket = ["wss://a.example/"]', "needs the role service"),
    ],
)
def test_a_permission_is_right_or_refused(permissions, why):
    assert why in refused(manifest_text(permissions=permissions))


def test_polling_needs_somewhere_to_ask():
    text = manifest_text(roles=("service",), permissions="poll = true")
    assert "permissions.http" in refused(text)


def test_the_hooks_role_needs_its_points():
    assert "go together" in refused(manifest_text(roles=("hooks",)))


@pytest.mark.parametrize("roles", [(), ("tool", "tool"), ("exec",)])
def test_roles_are_known_and_named_once(roles):
    assert "roles" in refused(manifest_text(roles=roles))


@pytest.mark.parametrize("limits", ["memory_mib = 8", "memory_mib = 4096", "call_timeout_s = 0"])
def test_limits_have_bounds(limits):
    assert "Expected `int`" in refused(manifest_text(limits=limits))


@pytest.mark.parametrize("wit", ["2.0", "0.9", "1.1"])
def test_a_contract_that_is_not_spoken_here_is_refused(wit):
    text = manifest_text().replace('wit = "1.0"', f'wit = "{wit}"')
    assert f"version {wit} of the contract" in refused(text)


@pytest.mark.parametrize(("wit", "runs"), [("1.0", True), ("1.1", True), ("1.2", False)])
def test_the_next_minor_version_of_the_host_runs_what_was_built_before(monkeypatch, wit, runs):
    monkeypatch.setattr(unit, "SPOKEN", ContractVersions(newest=(1, 1)))
    text = manifest_text().replace('wit = "1.0"', f'wit = "{wit}"')
    if runs:
        assert parse_manifest(text.encode()).wit == wit
    else:
        assert "this gateway speaks version 1.1 of the contract; update" in refused(text)


def test_the_oldest_host_counts_by_its_release():
    text = manifest_text(more='min_host = "0.2.0"')
    assert parse_manifest(text.encode(), host_version="0.2.0.dev1").min_host == "0.2.0"
    assert "this is 0.1.9" in refused(text, host_version="0.1.9")
    assert "this is unknown" in refused(text, host_version="unknown")


def test_a_publisher_is_a_key():
    assert "is no publisher" in refused(manifest_text(key=None, more='publisher = "me"'))


@pytest.mark.parametrize("data", [b"\xff", b"x" * 70_000, b"a = " + b"[" * 5_000])
def test_what_is_no_text_is_no_manifest(data):
    assert "plugin.toml" in refused(data)


def test_a_name_has_no_control_characters():
    assert "plugin.toml" in refused(manifest_text().replace('"Hello"', '"He\\u001b[31mllo"'))


def test_how_a_channel_is_shown_may_be_said():
    look = '[channel]\ndetail_label = "Zalo Web"\nsystem_image = "phone.fill"\n'
    found = parse_manifest((FULL + look).encode())
    assert (found.channel.detail_label, found.channel.system_image) == ("Zalo Web", "phone.fill")
    plain = parse_manifest(FULL.encode())
    assert (plain.channel.detail_label, plain.channel.system_image) == (None, None)


def test_how_a_channel_is_shown_is_for_channels_and_in_plain_words():
    assert "the role channel" in refused(manifest_text() + '\n[channel]\ndetail_label = "x"\n')
    assert "detail_label" in refused(FULL + '[channel]\ndetail_label = "a\\nb"\n')
    assert "system_image" in refused(FULL + '[channel]\nsystem_image = "../x"\n')
    assert "unknown field" in refused(FULL + '[channel]\nlogo = "x"\n')
