from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from carapace.config.catalogue import ANY, catalogue, entries, find, split_annotation


def test_every_setting_says_what_it_means():
    for entry in entries():
        assert entry.field.meaning.endswith("."), entry.key


def test_entries_reach_into_maps_and_lists():
    keys = {entry.key for entry in entries()}
    assert ("gateway", "port") in keys
    assert ("models", "providers", ANY, "models", ANY, "id") in keys
    assert ("models", "providers", ANY, "headers") in keys


def test_file_names_are_camel_case():
    assert "controlUi" in catalogue().fields["gateway"].shape.fields


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (("gateway", "auth", "token"), "token"),
        (("models", "providers", "mine", "apiKey"), "apiKey"),
        (("agents", "list", 0, "identity", "emoji"), "emoji"),
        (("models", "providers", "mine"), "providers"),
    ],
)
def test_a_key_leads_to_its_field(key, name):
    field = find(key)
    assert field is not None
    assert field.name == name


@pytest.mark.parametrize("key", [("nope",), ("gateway", "nope"), ("gateway", "port", "x"), ()])
def test_an_unknown_key_leads_nowhere(key):
    assert find(key) is None


def test_secrets_and_live_settings_are_marked():
    token, port = find(("gateway", "auth", "token")), find(("gateway", "port"))
    assert token is not None
    assert port is not None
    assert (token.secret, token.live) == (True, True)
    assert (port.secret, port.live) == (False, False)


def test_a_required_field_has_no_default():
    field = find(("agents", "list", 0, "id"))
    assert field is not None
    assert (field.required, field.default) == (True, None)


def test_a_description_is_taken_off_and_bounds_stay():
    bounded = Annotated[int, msgspec.Meta(ge=1)]
    inner, meta = split_annotation(Annotated[bounded, msgspec.Meta(description="d")])
    assert inner == bounded
    assert meta.description == "d"
    assert split_annotation(int) == (int, msgspec.Meta())
    assert split_annotation(bounded) == (bounded, msgspec.Meta())
