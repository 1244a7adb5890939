"""Secrets do not pass the redactor; ordinary text does."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote

import pytest

from carapace.telemetry.redact import MASK, Redactor, is_secret_name, strip_controls

PLANTED = (
    "sk-ant-api03-0123456789abcdefghijABCDEFGHIJ",
    "sk_live_0123456789abcdefABCDEF",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "github_pat_0123456789abcdefghij_ABCDEFGHIJ",
    "glpat-0123456789abcdefghij",
    "xoxb-0123456789-0123456789-abcdefghij",
    "AIzaSyA0123456789abcdefghijABCDEFGHIJ012",
    "ya29.a0AfH6SMB0123456789abcdefghij",
    "AKIAABCDEFGHIJKLMNOP",
    "hf_0123456789abcdefghijABCDEFGHIJ",
    "123456789:AAF0123456789abcdefghijABCDEFGHIJ01",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWhlcmU",
)


@pytest.mark.parametrize("secret", PLANTED)
@pytest.mark.parametrize("frame", ["{}", "failed with {} at once", '{{"x": "{}"}}', "a={}&b=2"])
def test_a_planted_token_of_a_known_shape_does_not_pass(secret: str, frame: str):
    assert secret not in Redactor().text(frame.format(secret))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer hunter2hunter2", "hunter2hunter2"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("got token=abcDEF123 from peer", "abcDEF123"),
        ('{"apiKey": "swordfish"}', "swordfish"),
        ("{'client_secret': 'swordfish'}", "swordfish"),
        ("GATEWAY_PASSWORD=swordfish", "swordfish"),
        ("Cookie: session=swordfish", "swordfish"),
        ("postgres://bob:swordfish@db/x", "swordfish"),
        ("/?token=swordfish&x=1", "swordfish"),
        (f"-----BEGIN {'PRIVATE KEY'}-----\nswordfish\n-----END PRIVATE KEY-----", "swordfish"),
        (f"-----BEGIN RSA {'PRIVATE KEY'}-----\nswordfish", "swordfish"),
    ],
)
def test_a_secret_named_in_text_does_not_pass(text: str, secret: str):
    assert secret not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "session agent:main:main reset",
        "used 1200 tokens: 800 in, 400 out",
        "max_tokens: 8192",
        "connect http://127.0.0.1:18789/health",
        "tokens=12",
        "line one\nline two\twith tab",
        "the secretary said hello",
    ],
)
def test_ordinary_text_stays(text: str):
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "spelling",
    [
        lambda s: s,
        lambda s: quote(s, safe=""),
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: json.dumps(s)[1:-1],
    ],
)
def test_a_registered_secret_is_caught_in_every_spelling(spelling):
    redactor = Redactor()
    secret = 'pa ss/w"ord+1'
    redactor.add_secret(secret)
    assert spelling(secret) not in redactor.text(f"before {spelling(secret)} after")


def test_a_control_character_inside_a_secret_does_not_hide_it():
    redactor = Redactor()
    redactor.add_secret("correcthorsebattery")
    assert redactor.text("correct\x00horse\x1b[31mbattery") == MASK


def test_registering_twice_or_something_tiny_changes_nothing():
    redactor = Redactor()
    redactor.add_secret("abc")
    assert redactor.text("abc") == "abc"
    redactor.add_secret("abcd-efgh")
    redactor.add_secret("abcd-efgh")
    assert redactor.text("abcd-efgh") == MASK


def test_only_long_secrets_keep_their_ends():
    redactor = Redactor()
    redactor.add_secret("0123456789abcdef01234567")
    redactor.add_secret("short-password")
    assert redactor.text("0123456789abcdef01234567") == "0123…4567"
    assert redactor.text("short-password") == MASK


def test_fields_are_masked_by_name_and_texts_by_content():
    given = {
        "token": "swordfish",
        "X-Api-Key": b"swordfish",
        "nested": [{"botToken": "swordfish", "url": "ws://a:swordfish@b/"}, ("swordfish-ok",)],
        "password": "",
        "maxTokens": 5,
        "ok": True,
        "none": None,
        "object": ValueError("token=swordfish"),
    }
    got = Redactor().mapping(given)
    assert json.dumps(got).count("swordfish") == 1
    assert got["nested"][1] == ["swordfish-ok"]
    assert (got["maxTokens"], got["ok"], got["none"]) == (5, True, None)


def test_endless_nesting_is_cut():
    deep: list[object] = []
    deep.append(deep)
    assert "(too deep)" in str(Redactor().mapping(deep))


@pytest.mark.parametrize("name", ["token", "gateway.auth.token", "X-API-Key", "clientSecret"])
def test_names_that_hold_secrets(name: str):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["tokens", "maxTokens", "tokenCount", "key", "session_key"])
def test_names_that_do_not(name: str):
    assert not is_secret_name(name)


def test_escapes_and_direction_overrides_are_removed():
    assert strip_controls("\x1b]0;title\x07a\x1b[2Kb\u202ec\x9bd\r\n\te\x7f") == "abcd\n\te"


@pytest.mark.parametrize(
    "unit",
    ["a", "a-", "eyJ-", "token", 'token="', "sk-", "://a:", "-----BEGIN ", "1:", "x@", " =:"],
)
def test_hostile_text_costs_time_in_proportion_to_its_length(unit: str):
    text = unit * (32_768 // len(unit))
    began = time.process_time()
    Redactor().text(text)
    assert time.process_time() - began < 2


def test_an_operators_own_patterns_are_hidden_too():
    redactor = Redactor()
    redactor.set_patterns([r"CASE-\d+"])
    assert redactor.text("see CASE-1234 today") == f"see {MASK} today"
    with pytest.raises(ValueError, match="not a regular expression"):
        redactor.set_patterns(["("])
    assert redactor.text("see CASE-1234 today") == f"see {MASK} today"
