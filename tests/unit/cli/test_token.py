"""`cara token` shows and replaces the token in the vault."""

from __future__ import annotations

import pytest

from support.command import Command


def test_without_a_token_one_is_told_how_to_get_one(cara: Command):
    done = cara("token", "show")
    assert done.code == 1
    assert "cara up" in done.err


def test_a_new_token_is_kept_in_the_vault_and_not_in_plain(cara: Command):
    made = cara("token", "rotate").out.strip()
    assert len(made) > 30
    assert cara("token").out.strip() == made
    assert cara("token", "show", "--json").json == {"token": made, "origin": "vault"}
    again = cara("token", "rotate", "--json").json["token"]
    assert again != made
    files = [path for path in cara.state.rglob("*") if path.is_file()]
    assert files
    assert all(again.encode() not in path.read_bytes() for path in files)


def test_a_token_of_the_environment_counts_first(cara: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENCLAW_GATEWAY_TOKEN", "from-the-environment")
    assert cara("token").out.strip() == "from-the-environment"
    assert "OPENCLAW_GATEWAY_TOKEN" in cara("token", "--json").json["origin"]
    done = cara("token", "rotate")
    assert done.code == 78
    assert "OPENCLAW_GATEWAY_TOKEN" in done.err


def test_a_token_of_the_file_is_shown(cara: Command):
    cara.write_config('{gateway: {auth: {token: "in-the-file"}}}')
    assert cara("token").out.strip() == "in-the-file"
