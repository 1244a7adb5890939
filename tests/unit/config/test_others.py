"""Names that a section does not list: read, kept, explained, hidden and compared like others."""

from __future__ import annotations

import json

import msgspec
import pytest

from carapace.channels.accounts.service import is_set_up, own_settings
from carapace.channels.accounts.settings import account_names, account_settings, branches
from carapace.config.catalogue import catalogue, entries, find
from carapace.config.changes import changes
from carapace.config.explain import explain
from carapace.config.load import Overrides, load
from carapace.config.others import fits, fold, without_others
from carapace.config.reader import DiskReader
from carapace.config.redact import MARKER, redact_tree
from carapace.config.schema import json_schema, ui_hints

ZALO = {
    "dmPolicy": "open",
    "region": "http://proxy.example",
    "botToken": "base-token",
    "accounts": {"work": {"botToken": "work-token", "limits": {"deep": [1]}}, "home": {}},
}


def loaded(tmp_path, channels):
    path = tmp_path / "carapace.json"
    path.write_text(json.dumps({"channels": channels}))
    return load(path, DiskReader(), Overrides())


def channels_of(tmp_path, channels):
    settings = loaded(tmp_path, channels).settings
    assert settings is not None
    return settings.channels


def account(tmp_path, name, channels):
    settings = channels_of(tmp_path, channels)
    found = account_settings(settings.defaults, branches(settings)["zalo"], name)
    assert found is not None
    return found


def test_a_plugins_channel_stands_beside_the_built_in_ones(tmp_path):
    found = loaded(tmp_path, {"zalo": ZALO, "webhook": {"secret": "s"}})
    assert found.warnings == ()
    assert found.settings is not None
    channels = found.settings.channels
    assert set(branches(channels)) == {"zalo", "webchat", "webhook"}
    assert channels.plugins["zalo"].dm_policy == "open"
    assert channels.plugins["zalo"].own == {
        "region": "http://proxy.example",
        "botToken": "base-token",
    }
    assert channels.webhook.secret == "s"


def test_an_account_takes_over_what_it_does_not_say_but_no_secret(tmp_path):
    channels = {"zalo": ZALO, "defaults": {"historyLimit": 3}}
    work = account(tmp_path, "work", channels)
    assert own_settings(work) == {
        "region": "http://proxy.example",
        "botToken": "work-token",
        "limits": {"deep": [1]},
    }
    assert (work.dm_policy, work.history_limit) == ("open", 3)
    home = account(tmp_path, "home", channels)
    assert own_settings(home) == {"region": "http://proxy.example"}
    assert is_set_up(home)


def test_its_own_secret_makes_a_further_account(tmp_path):
    branch = channels_of(tmp_path, {"zalo": ZALO}).plugins["zalo"]
    assert account_names(branch) == ("default", "work", "home")
    assert own_settings(account(tmp_path, "default", {"zalo": ZALO}))["botToken"] == "base-token"
    without = {**ZALO, "botToken": None} | {"region": "x"}
    del without["botToken"]
    branch = channels_of(tmp_path, {"zalo": without}).plugins["zalo"]
    assert account_names(branch) == ("work", "home")
    assert account_names(channels_of(tmp_path, {"zalo": {}}).plugins["zalo"]) == ("default",)


def test_names_of_our_own_structs_are_no_keys(tmp_path):
    channels = channels_of(tmp_path, {"plugins": {"own": {"a": 1}}})
    assert channels.plugins["plugins"].own == {"own": {"a": 1}}


def test_what_does_not_fit_is_odd_and_left_out_and_stops_nothing(tmp_path):
    found = loaded(tmp_path, {"telegram": {"streaming": "partial", "botToken": "t"}})
    assert found.issues == ()
    (warning,) = found.warnings
    assert "channels.telegram.streaming" in warning.message
    assert "channels.telegram has no effect" in warning.message
    assert found.settings is not None
    assert found.settings.channels.plugins == {}


@pytest.mark.parametrize("name", ["Zalo", "z", "a.b", "webhok", "default"])
def test_what_can_be_no_channel_is_an_unknown_key(tmp_path, name):
    (warning,) = loaded(tmp_path, {name: {}}).warnings
    assert "no known setting" in warning.message


@pytest.mark.parametrize("value", [True, "x", [], None])
def test_a_channel_is_an_object(tmp_path, value):
    found = loaded(tmp_path, {"zalo": value})
    assert len(found.warnings) == 1
    assert found.settings is not None
    assert found.settings.channels.plugins == {}


def test_secrets_are_hidden_by_their_names():
    shown = redact_tree({"channels": {"zalo": ZALO}})["channels"]["zalo"]
    assert shown["botToken"] == shown["accounts"]["work"]["botToken"] == MARKER
    assert shown["region"] == "http://proxy.example"
    assert shown["dmPolicy"] == "open"


def test_a_change_is_found_by_its_key(tmp_path):
    old = loaded(tmp_path, {"zalo": ZALO}).settings
    new = loaded(tmp_path, {"zalo": {**ZALO, "region": "p", "dmPolicy": "pairing"}}).settings
    assert old is not None
    assert new is not None
    assert {(one.key, one.live) for one in changes(old, new)} == {
        ("channels.zalo.region", True),
        ("channels.zalo.dmPolicy", True),
    }
    gone = loaded(tmp_path, {}).settings
    assert gone is not None
    assert [one.key for one in changes(old, gone)] == ["channels.zalo"]
    assert changes(old, old) == ()


def test_it_can_be_explained(tmp_path):
    found = loaded(tmp_path, {"zalo": ZALO})
    common = explain(("channels", "zalo", "dmPolicy"), found)
    assert (common.value, common.effect) == ("open", "live")
    own = explain(("channels", "zalo", "botToken"), found)
    assert own.value == MARKER
    whole = explain(("channels",), found)
    assert "plugins" not in whole.value
    assert "plugins" not in whole.default


def test_the_catalogue_has_it_once_under_any_name():
    keys = [entry.key for entry in entries()]
    assert ("channels", "*", "dmPolicy") in keys
    assert ("channels", "*", "*") in keys
    assert ("channels", "*", "accounts", "*", "*") in keys
    assert not any("plugins" in key[1:] or "own" in key for key in keys if key[0] == "channels")
    assert find(("channels", "zalo", "anything")) is not None
    assert find(("channels", "Zalo")) is None


def test_forms_and_schema_know_it():
    channels = json_schema()["properties"]["channels"]
    assert "plugins" not in channels["properties"]
    zalo = channels["additionalProperties"]
    assert "own" not in zalo["properties"]
    assert "dmPolicy" in zalo["properties"]
    assert zalo["additionalProperties"] is True
    assert "channels.*.dmPolicy" in ui_hints()
    assert "x-others" not in json.dumps(json_schema())


def test_folding_leaves_other_things_alone():
    shape = catalogue()
    assert fold(shape, 7) == 7
    assert fold(shape, {"env": {"X": "1"}, "unknown": 1}) == {"env": {"X": "1"}, "unknown": 1}
    assert without_others(shape, 7) == 7
    others = shape.fields["channels"].shape.others
    assert others is not None
    assert fits(others, {})
    assert not fits(others, {"enabled": "perhaps"})


def test_every_default_survives_the_way_to_the_file_and_back():
    plain = without_others(catalogue(), msgspec.to_builtins(catalogue().type()))
    assert msgspec.convert(fold(catalogue(), plain), catalogue().type) == catalogue().type()
