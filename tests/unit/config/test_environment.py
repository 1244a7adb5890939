from __future__ import annotations

import pytest

from carapace.config.environment import PREFIXES, lookup, read_environment

PORT = ("gateway", "port")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_name_of_the_product_is_understood(prefix):
    got = read_environment(
        {
            f"{prefix}_GATEWAY_PORT": "1234",
            f"{prefix}_GATEWAY_TOKEN": "t",
            f"{prefix}_GATEWAY_PASSWORD": "p",
        }
    )
    assert got.values == {
        PORT: 1234,
        ("gateway", "auth", "token"): "t",
        ("gateway", "auth", "password"): "p",
    }
    assert got.names[PORT] == f"{prefix}_GATEWAY_PORT"
    assert got.warnings == ()


def test_our_own_name_wins_and_a_conflict_warns():
    got = read_environment({"CLAWDBOT_GATEWAY_PORT": "1", "CARAPACE_GATEWAY_PORT": "2"})
    assert got.values == {PORT: 2}
    assert got.warnings[0].message == (
        "CARAPACE_GATEWAY_PORT differs from CLAWDBOT_GATEWAY_PORT; CARAPACE_GATEWAY_PORT is "
        "used. Unset the others."
    )


def test_names_that_agree_do_not_warn():
    got = read_environment({"CLAWDBOT_GATEWAY_PORT": "2", "CARAPACE_GATEWAY_PORT": "2"})
    assert got.warnings == ()


def test_a_warning_never_shows_a_secret():
    got = read_environment({"OPENCLAW_GATEWAY_TOKEN": "aaa", "MOLTBOT_GATEWAY_TOKEN": "bbb"})
    assert "aaa" not in got.warnings[0].message
    assert "bbb" not in got.warnings[0].message


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "8 0", "١٢"])
def test_a_port_that_is_none_is_an_issue(text):
    got = read_environment({"CARAPACE_GATEWAY_PORT": text})
    assert got.values == {}
    assert got.issues[0].message.startswith("CARAPACE_GATEWAY_PORT: expected a port")


def test_an_empty_variable_counts_as_unset():
    assert read_environment({"CARAPACE_GATEWAY_PORT": ""}).values == {}
    assert lookup({}, "X") == (None, "CARAPACE_X", [])
