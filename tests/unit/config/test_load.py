from __future__ import annotations

from typing import Any

from carapace.config.load import Overrides, load, overlay
from carapace.config.located import Key, Located, Place
from carapace.config.reader import DiskReader
from carapace.config.settings import Settings


def read(path, env=None, **flags):
    keys: dict[Key, Any] = {tuple(name.split("__")): value for name, value in flags.items()}
    names: dict[Key, str] = {("gateway", "port"): "--port"}
    return load(path, DiskReader(), Overrides(env or {}, keys, names))


def write(tmp_path, text):
    path = tmp_path / "carapace.json"
    path.write_text(text)
    return path


def test_no_file_means_the_defaults(tmp_path):
    got = read(tmp_path / "none.json")
    assert got.settings == Settings()
    assert (got.text, got.parsed, got.issues) == (None, {}, ())


def test_flag_then_environment_then_file_then_default(tmp_path):
    path = write(tmp_path, "{gateway: {port: 1}}")
    env = {"CARAPACE_GATEWAY_PORT": "2"}
    ports = [
        read(path, env, gateway__port=3),
        read(path, env),
        read(path),
        read(tmp_path / "none"),
    ]
    assert [one.settings.gateway.port for one in ports if one.settings] == [3, 2, 1, 18789]
    places = [str(one.effective.place_of(("gateway", "port"))) for one in ports[:3]]
    assert places == ["--port", "CARAPACE_GATEWAY_PORT", f"{path}:1:12"]


def test_the_file_tree_is_free_of_environment_and_flags(tmp_path):
    path = write(tmp_path, "{gateway: {mode: 'local'}}")
    got = read(path, {"CARAPACE_GATEWAY_TOKEN": "t"})
    assert got.tree.plain() == {"gateway": {"mode": "local"}}
    assert got.settings is not None
    assert got.settings.gateway.auth.token == "t"


def test_variables_come_from_the_file_and_the_environment(tmp_path):
    path = write(
        tmp_path,
        "{env: {vars: {A: 'x'}, D: 'd'}, models: {providers: {p: {apiKey: '${A}${B}${D}'}}}}",
    )
    got = read(path, {"B": "y"})
    assert got.settings is not None
    assert got.settings.models.providers["p"].api_key == "xyd"
    assert got.settings.env.vars == {"A": "x", "D": "d"}


def test_a_file_with_issues_has_no_settings(tmp_path):
    got = read(
        write(tmp_path, "{gateway: {port: 'x'}, models: {providers: {p: {apiKey: '${N}'}}}}")
    )
    assert got.settings is None
    assert [one.path for one in got.issues] == ["models.providers.p.apiKey", "gateway.port"]


def test_a_missing_variable_is_reported_once(tmp_path):
    got = read(write(tmp_path, "{models: {providers: {p: {baseUrl: '${N}'}}}}"))
    assert len(got.issues) == 1


def test_text_that_is_no_json5_is_one_issue(tmp_path):
    got = read(write(tmp_path, "{gateway"))
    assert len(got.issues) == 1
    assert (got.parsed, got.text) == ({}, "{gateway")


def test_a_bad_variable_is_an_issue(tmp_path):
    got = read(tmp_path / "none", {"CARAPACE_GATEWAY_PORT": "x"})
    assert got.settings is None


def test_the_node_gateways_minimal_file_is_accepted(tmp_path):
    path = write(
        tmp_path,
        """{"gateway": {"mode": "local", "bind": "loopback", "port": 18201,
        "auth": {"mode": "token", "token": "t"}, "controlUi": {"enabled": true},
        "http": {"endpoints": {"chatCompletions": {"enabled": true},
        "responses": {"enabled": true}}}, "reload": {"mode": "off"}},
        "hooks": {"enabled": true, "token": "h", "path": "/hooks"},
        "update": {"checkOnStart": false},
        "models": {"mode": "merge", "providers": {"fake": {
        "baseUrl": "http://127.0.0.1:18100/v1", "apiKey": "k", "api": "openai-completions",
        "models": [{"id": "fake-1", "name": "Fake One", "reasoning": false, "input": ["text"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": 128000, "maxTokens": 8192}]}}},
        "agents": {"defaults": {"model": {"primary": "fake/fake-1"}, "skipBootstrap": true}}}""",
    )
    got = read(path)
    assert got.issues == ()
    assert {one.path for one in got.warnings} == {"update"}
    assert got.settings is not None
    assert got.settings.models.providers["fake"].models[0].context_window == 128000


def test_h03_a_file_of_variables_is_never_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("K=evil\nCARAPACE_GATEWAY_PORT=666\n")
    got = read(write(tmp_path, "{models: {providers: {p: {apiKey: '${K}'}}}}"))
    assert "the variable K is missing" in got.issues[0].message
    assert got.effective.find(("gateway", "port")) is None


def test_an_overlay_makes_the_objects_on_its_way():
    tree = overlay(Located({"a": Located(5, Place("f"))}, Place("f")), ("a", "b"), 1, Place("e"))
    assert tree.plain() == {"a": {"b": 1}}
