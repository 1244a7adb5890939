"""Flags stand above environment and file, and only those that were given."""

from __future__ import annotations

import msgspec

from carapace.app.options import Ready, UpOptions
from carapace.config.paths import PathFlags


def test_no_flag_overrides_nothing():
    over = UpOptions().overrides({"A": "b"})
    assert (over.flags, over.flag_names, over.environment) == ({}, {}, {"A": "b"})
    assert UpOptions().path_flags() == PathFlags()


def test_each_flag_names_its_key_and_itself():
    options = UpOptions(config="c", state_dir="s", port=0, bind="lan", token="t", no_model=True)
    over = options.overrides({})
    assert over.flags == {
        ("gateway", "port"): 0,
        ("gateway", "bind"): "lan",
        ("gateway", "auth", "token"): "t",
        ("models", "embedded", "enabled"): False,
    }
    assert set(over.flag_names.values()) == {"--port", "--bind", "--token", "--no-model"}
    assert over.flag_names.keys() == over.flags.keys()
    assert options.path_flags() == PathFlags(config="c", state_dir="s")


def test_a_token_is_not_shown():
    assert "secret-text" not in repr(UpOptions(token="secret-text"))


def test_the_ready_line_keeps_its_names():
    ready = Ready(
        port=1, url="ws://127.0.0.1:1", pid=2, version="v", config_path="c", state_dir="s",
        token_source="vault", started_ms=3,
    )  # fmt: skip
    assert msgspec.to_builtins(ready) == {
        "port": 1, "url": "ws://127.0.0.1:1", "pid": 2, "version": "v", "configPath": "c",
        "stateDir": "s", "tokenSource": "vault", "startedMs": 3,
    }  # fmt: skip
