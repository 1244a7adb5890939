"""Each check finds what it is for."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from types import SimpleNamespace

import pytest

from carapace.cli import checks
from carapace.cli.options import Remote
from carapace.cli.target import paths_of
from carapace.config.last_good import Kept, keep
from support.command import Command
from support.mini_gateway import MiniGateway, Refuse


def findings(name: str, **options: object) -> list[checks.Finding]:
    remote = Remote(**options)  # pyright: ignore[reportArgumentType] - a test's own options
    check = getattr(checks, f"_{name}")
    return list(check(checks.examine(paths_of(remote), remote)))


def states(name: str) -> list[str]:
    return [finding.state for finding in findings(name)]


def test_a_healthy_machine_has_nothing_bad(cara: Command):
    cara.write_config("{}")
    for name in ("python", "clock", "config", "permissions", "disk", "database", "audit"):
        assert "bad" not in states(name)


def test_an_old_python_is_bad(cara: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "_MIN_PYTHON", (99, 0))
    assert states("python") == ["bad"]


def test_a_lost_clock_is_bad(cara: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(time, "time", lambda: 86_400.0)
    assert states("clock") == ["bad"]


def test_a_broken_file_can_be_put_back(cara: Command):
    cara.write_config('{gateway: {port: "many"}}')
    (without,) = findings("config")
    assert without.state == "bad"
    assert without.fix is None
    root = str(cara.config.resolve())
    keep(paths_of(Remote()).last_good, Kept(root, {root: "{gateway: {port: 5}}"}))
    (found,) = findings("config")
    assert found.fix is not None
    assert "put the last good configuration back" in found.fix()
    assert cara.config.read_text() == "{gateway: {port: 5}}"
    assert [path.read_text() for path in cara.state.glob("*.broken-*")] == [
        '{gateway: {port: "many"}}'
    ]
    (paths_of(Remote()).last_good).unlink()
    assert "nothing was changed" in checks._restore(paths_of(Remote()))


def test_an_unknown_key_is_a_warning(cara: Command):
    cara.write_config("{gatway: 1}")
    assert states("config") == ["ok", "warn"]


def test_files_that_others_can_read_are_closed(cara: Command):
    cara.write_config("{}")
    cara.config.chmod(0o644)
    (cara.state / "credentials").mkdir(mode=0o755)
    for number in range(3):
        (cara.state / "credentials" / f"f{number}").write_text("")
    (found,) = findings("permissions")
    assert found.state == "bad"
    assert "and more" in found.text
    assert found.fix is not None
    assert found.fix() == "closed 5 to others"
    assert states("permissions") == ["ok"]


def test_a_folder_that_cannot_be_written_is_bad(cara: Command, monkeypatch: pytest.MonkeyPatch):
    cara.write_config("{}")
    monkeypatch.setattr(os, "access", lambda *_: False)
    (found,) = findings("permissions")
    assert "cannot be written" in found.text


def test_a_full_disk_is_a_warning(cara: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=1, used=1, free=0))
    assert states("disk") == ["warn"]


def test_a_damaged_database_is_bad_and_a_whole_one_is_not(cara: Command):
    cara.write_config("{}")
    path = cara.state / "carapace.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    assert states("database") == ["ok"]
    path.write_bytes(b"not a database, not at all")
    (found,) = findings("database")
    assert found.state == "bad"
    assert "is damaged" in found.text


def test_a_broken_audit_chain_is_bad(cara: Command):
    folder = cara.state / "audit"
    folder.mkdir(parents=True)
    (folder / "audit.jsonl").write_text("")
    assert states("audit") == ["ok"]
    (folder / "audit.jsonl").write_text("rubbish\n")
    assert states("audit") == ["bad"]
    (folder / "audit.jsonl").unlink()
    (folder / "audit.jsonl").mkdir()
    (found,) = findings("audit")
    assert "cannot be read" in found.text


def test_a_vault_opens_or_is_bad(cara: Command):
    assert states("vault") == ["ok"]
    cara("token", "rotate")
    (found,) = findings("vault")
    assert found.text == "opens, 1 entries"
    (cara.state / "credentials" / "vault.json").write_text("rubbish")
    assert states("vault") == ["bad"]


@pytest.mark.parametrize(
    ("config", "engine", "state", "said"),
    [
        ("{models: {providers: {mine: {baseUrl: 'http://127.0.0.1:1'}}}}", True, "ok", "mine"),
        ("{models: {embedded: {enabled: false}}}", True, "warn", "is off"),
        ("{}", False, "warn", "not installed"),
        ("{}", True, "warn", "no model is here"),
    ],
)
def test_something_must_be_able_to_answer(  # noqa: PLR0917 - a row of the table
    cara: Command, monkeypatch: pytest.MonkeyPatch, config: str, engine, state: str, said: str
):
    cara.write_config(config)
    monkeypatch.setattr(checks, "find_spec", lambda _: object() if engine else None)
    (found,) = findings("models")
    assert (found.state, said in found.text) == (state, True)


def test_a_model_that_is_here_will_do(cara: Command, monkeypatch: pytest.MonkeyPatch):
    cara.write_config("{}")
    folder = cara.state / "models"
    folder.mkdir()
    (folder / f"{'a' * 64}.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(checks, "find_spec", lambda _: object())
    assert states("models") == ["ok"]


def test_a_broken_file_leaves_nothing_to_say_about_models(cara: Command):
    cara.write_config("{")
    assert findings("models") == []
    (found,) = findings("gateway")
    assert found.state == "bad"


def test_a_running_gateway_is_reached(cara: Command, gateway: MiniGateway):
    (found,) = findings("gateway")
    assert found.state == "ok"
    assert "the token works" in found.text


def test_what_the_gateway_calls_degraded_is_a_warning_and_so_is_its_clock(
    cara: Command, gateway: MiniGateway
):
    gateway.answers["health"] = lambda _: {"ok": True, "ts": 1, "degraded": {"store": "full"}}
    degraded, skew = findings("gateway")
    assert "store: full" in degraded.text
    assert "clock is" in skew.text


def plugin(name: str, state: str, **more: object) -> dict[str, object]:
    return {"id": name, "version": "1.0.0", "state": state, **more}


def test_plugins_that_need_somebody_are_named(cara: Command, gateway: MiniGateway):
    gateway.answers["plugins.list"] = lambda _: {
        "trouble": "the lock file was changed",
        "plugins": [
            plugin("one", "running"),
            plugin("two", "idle"),
            plugin("off", "disabled"),
            plugin("bad", "refused", reason="nobody trusted signed it"),
            plugin("lost", "quarantined"),
            plugin("again", "restarting", reason="its process was lost"),
            plugin("new", "waits-for-consent", pending={"version": "2.0.0"}),
        ],
    }
    _, *found = findings("gateway")
    assert [(one.state, one.text) for one in found] == [
        ("bad", "the lock file was changed"),
        ("ok", "work: one, two"),
        ("bad", "bad: nobody trusted signed it"),
        ("bad", "lost: quarantined"),
        ("warn", "again: its process was lost"),
        ("warn", "new 2.0.0 waits for your word"),
    ]


def test_a_gateway_that_does_not_list_its_plugins_is_told_of(cara: Command, gateway: MiniGateway):
    def refuse(_: object) -> None:
        raise Refuse("INVALID_REQUEST", "missing scope: operator.admin")

    gateway.answers["plugins.list"] = refuse
    _, found = findings("gateway")
    assert (found.name, found.state) == ("plugins", "warn")
    assert "missing scope" in found.text


def test_a_wrong_token_is_bad(cara: Command, gateway: MiniGateway, monkeypatch):
    monkeypatch.setattr(checks, "port_owner", lambda _: None)
    (found,) = findings("gateway", token="wrong-token")
    assert found.state == "bad"
    assert "cara token show" in (found.next_step or "")


def test_a_gateway_that_refuses_is_not_called_a_stranger(cara: Command, gateway: MiniGateway):
    def refuse() -> None:
        raise Refuse("INVALID_REQUEST", "no entry")

    gateway.on_connect = refuse
    (found,) = findings("gateway")
    assert found.state == "bad"


def test_a_stranger_on_the_port_is_named(cara: Command, monkeypatch: pytest.MonkeyPatch):
    stranger = checks.port_owner.__globals__["PortOwner"]("process 1 (nginx)", is_gateway=False)
    monkeypatch.setattr(checks, "port_owner", lambda _: stranger)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (found,) = findings("gateway", url=f"ws://127.0.0.1:{port}", timeout_s=0.05)
    assert "its port is taken by process 1 (nginx)" in found.text


def test_a_gateway_that_does_not_run_is_a_warning(cara: Command):
    (found,) = findings("gateway", url="ws://127.0.0.1:9")
    assert (found.state, found.text) == ("warn", "does not run")


def test_json_is_complete(cara: Command):
    cara.write_config("{}")
    got = json.loads(cara("doctor", "--json", "--url", "ws://127.0.0.1:9").out)
    assert {"python", "clock", "config", "disk", "gateway"} <= {
        row["name"] for row in got["findings"]
    }


TRANSFORM = '{messageTemplate: "x", transform: {module: "./a.js"}}'


@pytest.mark.parametrize(
    ("hooks", "wanted"),
    [
        ("enabled: false", []),
        ('enabled: true, token: "hook-token"', ["ok"]),
        ("enabled: true", ["warn"]),
        ('enabled: true, token: "same"', ["warn"]),
        (f'enabled: true, token: "t", mappings: [{TRANSFORM}]', ["warn"]),
    ],
)
def test_hooks_that_are_not_served_are_a_warning(cara: Command, hooks: str, wanted: list[str]):
    cara.write_config(f'{{gateway: {{auth: {{token: "same"}}}}, hooks: {{{hooks}}}}}')
    assert states("hooks") == wanted


def test_a_broken_file_leaves_nothing_to_say_about_hooks(cara: Command):
    cara.write_config('{gateway: {port: "many"}}')
    assert states("hooks") == []
