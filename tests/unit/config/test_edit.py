from __future__ import annotations

import pytest

from carapace.config.edit import explain_key, get_value, set_key, unset_key, validate
from carapace.config.json5 import parse
from carapace.config.load import Overrides
from carapace.config.located import parse_key
from carapace.config.paths import Paths
from carapace.config.redact import MARKER
from carapace.config.service import ConfigService
from carapace.errors import Refused
from support.clock import FakeClock


class House:
    def __init__(self, folder):
        self.paths = Paths(folder / "carapace.json", folder / "state")

    def write(self, text):
        self.paths.config_path.write_text(text)

    @property
    def text(self):
        return self.paths.config_path.read_text()

    def set(self, key, value, env=None):
        return set_key(self.paths, env or {}, key, value, clock=FakeClock())

    def unset(self, key):
        return unset_key(self.paths, {}, key, clock=FakeClock())


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_the_first_set_makes_the_file(house):
    edited = house.set("gateway.port", "1234")
    assert house.text == '{\n  "gateway": {\n    "port": 1234\n  }\n}\n'
    assert (edited.key, edited.effect, edited.path) == (
        "gateway.port",
        "restart",
        house.paths.config_path,
    )
    assert house.set("logging.level", "debug").effect == "live"


def test_comments_survive(house):
    house.write("{ // why\n gateway: { port: 1, /* here */ },\n}")
    house.set("gateway.port", "2")
    assert house.text == "{ // why\n gateway: { port: 2, /* here */ },\n}"


@pytest.mark.parametrize(
    ("key", "typed", "stored"),
    [
        ("gateway.auth.token", "12345", "12345"),
        ("gateway.auth.token", '"12345"', "12345"),
        ("gateway.auth.token", "a b", "a b"),
        ("gateway.bind", "lan", "lan"),
        ("gateway.tls.enabled", "false", False),
        ("gateway.trustedProxies", "['10.0.0.1']", ["10.0.0.1"]),
        ("agents.defaults.model.primary", "a/b", "a/b"),
    ],
)
def test_text_is_taken_as_typed_where_text_is_wanted(house, key, typed, stored):
    house.set(key, typed)
    here = parse(house.text).plain()
    for part in parse_key(key):
        here = here[part]
    assert here == stored


def test_a_value_that_does_not_fit_is_refused_and_nothing_is_written(house):
    house.write("{}")
    with pytest.raises(Refused, match=r"expected a whole number .* Nothing was written"):
        house.set("gateway.port", "many")
    assert house.text == "{}"


def test_a_change_that_breaks_something_else_is_refused(house):
    house.write("{models: {providers: {p: {apiKey: '${K}'}}}, env: {vars: {K: 'x'}}}")
    with pytest.raises(Refused, match="variable K is missing"):
        house.unset("env.vars.K")


def test_set_works_on_a_file_with_wrong_values_elsewhere(house):
    house.write("{gateway: {bind: 'lann', port: 'x'}}")
    house.set("gateway.port", "5")
    assert house.text == "{gateway: {bind: 'lann', port: 5}}"


def test_set_on_a_file_that_is_no_json5_starts_from_the_last_good_one(house):
    house.write("{gateway: {port: 1}} // good")
    ConfigService(house.paths, Overrides())
    house.write("{gateway: {port: 1")
    edited = house.set("gateway.bind", "lan")
    assert house.text == '{gateway: {port: 1, bind: "lan"}} // good'
    aside = house.paths.config_path.with_name("carapace.json.broken-20260101T000000Z")
    assert aside.read_text() == "{gateway: {port: 1"
    assert str(aside) in edited.notes[0]


def test_without_a_last_good_one_the_place_to_mend_is_named(house):
    house.write("{\n gateway: }")
    with pytest.raises(Refused, match=r"carapace\.json:2:11: expected a value"):
        house.set("gateway.port", "1")
    assert house.text == "{\n gateway: }"


def test_the_marker_of_a_secret_is_no_value(house):
    with pytest.raises(Refused, match="marker of a hidden secret"):
        house.set("gateway.auth.token", MARKER)


def test_an_unknown_key_is_written_with_a_note(house):
    edited = house.set("gateway.prot", "1")
    assert edited.effect == "none"
    assert "Did you mean gateway.port?" in edited.notes[0]


def test_unset_brings_the_default_back(house):
    house.write("{gateway: {port: 1, bind: 'lan'}}")
    house.unset("gateway.port")
    assert get_value(house.paths, {}, "gateway.port") == 18789


@pytest.mark.parametrize("key", ["gateway.port", "agents.list[3]"])
def test_unset_of_nothing_is_refused(house, key):
    house.write("{agents: {list: []}}")
    with pytest.raises(Refused, match="is not in the file"):
        house.unset(key)


def test_unset_without_a_file_is_refused(house):
    with pytest.raises(Refused, match="is not in the file"):
        house.unset("gateway.port")


def test_what_an_include_says_is_changed_there(house):
    part = house.paths.config_path.with_name("part.json")
    part.write_text("{gateway: {port: 1, trustedProxies: ['10.0.0.1']}}")
    house.write("{$include: './part.json'}")
    house.set("gateway.port", "2")
    assert get_value(house.paths, {}, "gateway.port") == 2
    for go in (
        lambda: house.unset("gateway.trustedProxies"),
        lambda: house.set("gateway.trustedProxies", "[]"),
    ):
        with pytest.raises(Refused, match=r"set in the included file .*part\.json:1:21"):
            go()


def test_secrets_are_not_read_back(house):
    house.write("{gateway: {auth: {token: 'hunter2'}}}")
    assert get_value(house.paths, {}, "gateway.auth")["token"] == MARKER
    assert get_value(house.paths, {}, "gateway.auth.token") == MARKER


def test_get_knows_defaults_the_environment_and_unknown_keys(house):
    house.write("{hooks: {path: '/h'}}")
    assert get_value(house.paths, {"CARAPACE_GATEWAY_PORT": "4"}, "gateway.port") == 4
    assert get_value(house.paths, {}, "hooks.path") == "/h"
    with pytest.raises(Refused, match="There is no setting"):
        get_value(house.paths, {}, "gateway.prot")
    with pytest.raises(Refused, match="is no key"):
        get_value(house.paths, {}, "")


def test_explain_needs_no_gateway(house):
    assert explain_key(house.paths, {}, "gateway.port").value == 18789


def test_validate_lists_all(house):
    assert not validate(house.paths, {}).exists
    house.write("{gateway: {port: 'x', bind: 'y'}, talk: {}}")
    got = validate(house.paths, {})
    assert (len(got.issues), len(got.warnings), got.exists) == (2, 1, True)
