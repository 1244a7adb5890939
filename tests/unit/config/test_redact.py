from __future__ import annotations

import pytest

from carapace.config.json5 import Json5Error, parse
from carapace.config.redact import (
    MARKER,
    is_secret,
    redact_text,
    redact_tree,
    restore_text,
    restore_tree,
)

SECRET_KEYS = [
    ("gateway", "auth", "token"),
    ("gateway", "auth", "password"),
    ("models", "providers", "x", "apiKey"),
    ("models", "providers", "x", "headers", "X-Any"),
    ("env", "vars", "ANY"),
    ("env", "ANY"),
    ("hooks", "token"),
    ("channels", "telegram", "botToken"),
    ("channels", "x", "accounts", 0, "app_secret"),
    ("tools", "media", "headers", "Authorization"),
]
OPEN_KEYS = [
    ("gateway", "port"),
    ("models", "providers", "x", "models", 0, "maxTokens"),
    ("agents", "defaults", "contextTokens"),
    ("hooks", "path"),
    ("channels", "tokens"),
    (0,),
]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_secrets_are_known_by_mark_or_by_name(key):
    assert is_secret(key)


@pytest.mark.parametrize("key", OPEN_KEYS)
def test_other_values_are_shown(key):
    assert not is_secret(key)


def test_text_keeps_everything_but_the_secrets():
    text = (
        "{ // note\n gateway: {port: 1, auth: {token: 'abc', password: 5}}, hooks: [{token: 'h'}]}"
    )
    hidden = redact_text(text)
    assert hidden == text.replace("'abc'", f'"{MARKER}"').replace("5}", f'"{MARKER}"}}').replace(
        "'h'", f'"{MARKER}"'
    )
    assert restore_text(hidden, text) == text


def test_references_and_empty_values_are_shown():
    text = '{gateway: {auth: {token: "${T}", password: null}}, hooks: {token: "", secret: true}}'
    assert redact_text(text) == text


def test_a_reference_with_a_secret_beside_it_is_hidden():
    assert MARKER in redact_text('{gateway: {auth: {token: "abc${T}"}}}')


@pytest.mark.parametrize(
    "text", ['{token: "abc', "{'token' : 'abc' x}", "{token: abc}", '{"botToken": "a\\"abc" 5}']
)
def test_broken_text_is_searched_for_secrets_too(text):
    hidden = redact_text(text)
    assert "abc" not in hidden
    assert MARKER in hidden


def test_trees_are_copied_without_their_secrets():
    tree = {"gateway": {"auth": {"token": "abc"}}, "hooks": {"mappings": [{"token": "x"}]}}
    assert redact_tree(tree) == {
        "gateway": {"auth": {"token": MARKER}},
        "hooks": {"mappings": [{"token": MARKER}]},
    }
    assert tree["gateway"] == {"auth": {"token": "abc"}}


def test_an_address_with_a_password_in_it_is_hidden():
    text = "{models: {providers: {p: {baseUrl: 'https://me:pw@host/v1'}}}}"
    assert "pw" not in redact_text(text)
    assert restore_text(redact_text(text), text) == text
    open_text = "{models: {providers: {p: {baseUrl: 'https://host:8/v1/a@b'}}}}"
    assert redact_text(open_text) == open_text


def test_a_marker_in_a_tree_becomes_what_is_stored():
    stored = {"a": {"token": "x"}, "l": [{"id": "1", "token": "one"}, {"id": "2", "token": "two"}]}
    given = {"a": {"token": MARKER}, "l": [{"id": "2", "token": MARKER}, MARKER], "n": [MARKER]}
    assert restore_tree(given, stored) == {
        "a": {"token": "x"},
        "l": [{"id": "2", "token": "two"}, MARKER],
        "n": [MARKER],
    }
    assert restore_tree({"l": [{"id": "9", "token": MARKER}]}, stored) == {
        "l": [{"id": "9", "token": MARKER}]
    }


def test_items_are_found_again_by_their_id():
    stored = '{list: [{id: "a", token: "A"}, {id: "b", token: "B"}]}'
    given = f'{{list: [{{id: "b", token: "{MARKER}"}}]}}'
    assert parse(restore_text(given, stored)).plain() == {"list": [{"id": "b", "token": "B"}]}


def test_items_without_id_are_found_by_place():
    stored = "{tokens: [{token: 'A'}, {token: 'B'}]}"
    given = f'{{tokens: [{{token: "{MARKER}"}}, {{token: "{MARKER}"}}]}}'
    assert restore_text(given, stored) == "{tokens: [{token: 'A'}, {token: 'B'}]}"


@pytest.mark.parametrize("stored", ["", "{}", "{token: {a: 1}}", f'{{token: "{MARKER}"}}'])
def test_a_marker_with_nothing_behind_it_is_an_error(stored):
    with pytest.raises(KeyError) as caught:
        restore_text(f'{{token: "{MARKER}"}}', stored)
    assert caught.value.args == (("token",),)


def test_only_json5_is_restored():
    with pytest.raises(Json5Error):
        restore_text("{", "{}")
