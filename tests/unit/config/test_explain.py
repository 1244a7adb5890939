from __future__ import annotations

import pytest

from carapace.config.explain import explain, no_such_setting
from carapace.config.load import Overrides, load
from carapace.config.located import parse_key
from carapace.config.reader import DiskReader
from carapace.errors import Refused

TEXT = """{
  gateway: { bind: "lan", auth: { token: "${TOKEN}" } },
  models: { providers: { mine: { baseUrl: "http://x" } } },
}"""


@pytest.fixture
def ask(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(TEXT)
    env = {"TOKEN": "hunter2", "OPENCLAW_GATEWAY_PORT": "99"}
    loaded = load(path, DiskReader(), Overrides(env))
    return lambda key: explain(parse_key(key), loaded)


def test_a_value_of_the_file_names_its_line(ask, tmp_path):
    got = ask("gateway.bind")
    assert (got.value, got.default, got.origin) == ("lan", "loopback", f"{tmp_path}/c.json:2:14")
    assert (got.effect, got.meaning != "") == ("restart", True)


def test_a_value_of_the_environment_names_its_variable(ask):
    got = ask("gateway.port")
    assert (got.value, got.origin, got.default) == (99, "OPENCLAW_GATEWAY_PORT", 18789)


def test_a_default_says_so(ask):
    got = ask("logging.level")
    assert (got.value, got.origin, got.effect) == ("info", "default", "live")


def test_a_section_has_its_defaults_under_what_is_written(ask):
    got = ask("gateway").value
    assert (got["bind"], got["port"], got["tickIntervalS"]) == ("lan", 99, 30)
    assert got["auth"]["rateLimit"]["maxAttempts"] == 10


def test_a_secret_is_hidden_and_its_variable_named(ask):
    got = ask("gateway.auth.token")
    assert "hunter2" not in str(got)
    assert got.origin.endswith("with ${TOKEN}")


def test_keys_of_ones_own_are_explained_by_what_holds_them(ask):
    assert ask("models.providers.mine.baseUrl").value == "http://x"
    assert ask("models.providers.mine").default is None
    assert ask("models.providers.none").value is None


def test_an_unknown_key_is_refused_with_the_nearest(ask):
    with pytest.raises(Refused, match=r"no setting gateway\.prot\. Did you mean gateway\.port\?"):
        ask("gateway.prot")


def test_a_key_like_nothing_is_pointed_to_the_reference():
    assert "docs/reference/config.md" in no_such_setting(("qqqqzzzz",)).message
