"""`cara plugin` shows what a plugin may do before it runs, and says how it is afterwards."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway

DIGEST = "ab" * 32
RUNNING = {
    "id": "zalo",
    "name": "Zalo",
    "version": "1.0.0",
    "state": "running",
    "enabled": True,
    "signed": True,
    "publisher": "ed25519:key",
    "roles": ["channel", "webhook"],
    "permissions": [],
    "source": "/p",
    "keptAtMs": 1,
    "rollbacks": [],
}
PENDING = {
    "version": "1.1.0",
    "digest": DIGEST,
    "signed": True,
    "publisher": "ed25519:key",
    "added": ["start turns of the assistant\x1b[31m"],
    "removed": ["set alarms"],
}
NEW = RUNNING | {"version": "1.1.0", "state": "waits-for-consent", "pending": PENDING}
WIDER = RUNNING | {"pending": PENDING}
BROKEN = RUNNING | {
    "id": "draft",
    "signed": False,
    "publisher": None,
    "state": "refused",
    "reason": "nobody signed it",
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def plugins(gateway: MiniGateway) -> MiniGateway:
    gateway.answers["plugins.list"] = lambda _: {"plugins": [RUNNING, BROKEN, WIDER]}
    for name in ("install", "upgrade", "enable", "disable", "rollback", "consent"):
        gateway.answers[f"plugins.{name}"] = lambda _: {"ok": True, "plugin": RUNNING}
    gateway.answers["plugins.remove"] = lambda _: {"ok": True}
    return gateway


@pytest.mark.parametrize("words", [("plugin",), ("plugin", "list")])
def test_plugins_are_listed_with_the_reason(cara: Command, plugins: MiniGateway, words):
    done = cara(*words)
    assert done.code == 0, done.err
    assert "nobody signed it" in done.out
    assert "UNSIGNED" in done.out
    assert "zalo 1.1.0 waits for your word: cara plugin consent zalo" in done.out


def test_programs_read_the_list(cara: Command, plugins: MiniGateway):
    assert cara("plugin", "list", "--json").json["plugins"][0]["id"] == "zalo"


def test_no_plugin_is_no_error(cara: Command, plugins: MiniGateway):
    plugins.answers["plugins.list"] = lambda _: {"plugins": []}
    assert "No plugin is installed" in cara("plugin").out


def test_a_list_that_cannot_be_trusted_is_told(cara: Command, plugins: MiniGateway):
    plugins.answers["plugins.list"] = lambda _: {"plugins": [], "trouble": "it was changed"}
    done = cara("plugin")
    assert done.code == 1
    assert "it was changed" in done.err


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("zalo", "zalo"),
        ("zalo@1.0.0", "zalo@1.0.0"),
        ("https://a.example/z.carapace-plugin", "https://a.example/z.carapace-plugin"),
        ("/p/z.carapace-plugin", "/p/z.carapace-plugin"),
    ],
)
def test_names_and_addresses_are_sent_as_they_are(cara: Command, plugins: MiniGateway, typed, sent):
    assert "zalo 1.0.0 (ed25519:key) is running" in cara("plugin", "install", typed).out
    assert plugins.asked("plugins.install") == [{"source": sent, "accept": False}]


@pytest.mark.parametrize("typed", ["./zalo", "zalo.carapace-plugin", "a/zalo", "~/zalo"])
def test_paths_are_sent_whole(
    cara: Command, plugins: MiniGateway, tmp_path: Path, monkeypatch, typed
):
    monkeypatch.chdir(tmp_path)
    cara("plugin", "install", typed, "--yes")
    (asked,) = plugins.asked("plugins.install")
    assert asked["source"] == str(tmp_path / typed.removeprefix("./").removeprefix("~/"))
    assert asked["accept"] is True


def test_what_a_new_plugin_may_do_is_shown_and_asked(
    cara: Command, plugins: MiniGateway, monkeypatch
):
    plugins.answers["plugins.install"] = lambda _: {"ok": True, "plugin": NEW}
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    done = cara("plugin", "install", "/p")
    assert "It wants to:" in done.out
    assert "+ start turns of the assistant" in done.out
    assert "\x1b" not in done.out
    assert "is running" in done.out
    assert plugins.asked("plugins.consent") == [{"id": "zalo", "digest": DIGEST}]


@pytest.mark.parametrize("terminal", [True, False])
def test_without_a_yes_it_waits(cara: Command, plugins: MiniGateway, monkeypatch, terminal):
    plugins.answers["plugins.upgrade"] = lambda _: {"ok": True, "plugin": WIDER}
    monkeypatch.setattr(sys, "stdin", Terminal("n\n") if terminal else io.StringIO(""))
    done = cara("plugin", "upgrade", "zalo")
    assert "Beyond what 1.0.0 may do, it wants to:" in done.out
    assert "- no longer: set alarms" in done.out
    assert "1.0.0 goes on" in done.out
    assert plugins.asked("plugins.consent") == []
    assert plugins.asked("plugins.upgrade") == [{"id": "zalo", "accept": False}]


def test_programs_are_told_what_waits(cara: Command, plugins: MiniGateway):
    plugins.answers["plugins.install"] = lambda _: {"ok": True, "plugin": NEW}
    done = cara("plugin", "install", "/p", "--json")
    assert done.json["plugin"]["pending"]["digest"] == DIGEST


def test_an_upgrade_may_name_its_source(cara: Command, plugins: MiniGateway):
    assert cara("plugin", "upgrade", "zalo", "/p", "--yes").code == 0
    assert plugins.asked("plugins.upgrade") == [{"id": "zalo", "source": "/p", "accept": True}]


@pytest.mark.parametrize(("flag", "accept"), [("--yes", True), ("--no", False)])
def test_a_waiting_version_is_decided(cara: Command, plugins: MiniGateway, flag, accept):
    plugins.answers["plugins.list"] = lambda _: {"plugins": [WIDER]}
    assert cara("plugin", "consent", "zalo", flag).code == 0
    assert plugins.asked("plugins.consent") == [{"id": "zalo", "digest": DIGEST, "accept": accept}]


def test_consent_can_be_looked_at_first(cara: Command, plugins: MiniGateway, monkeypatch):
    plugins.answers["plugins.list"] = lambda _: {"plugins": [NEW]}
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    done = cara("plugin", "consent", "zalo")
    assert "+ start turns" in done.out
    assert "It waits. Agree to it" in done.out
    assert plugins.asked("plugins.consent") == []


def test_of_a_refused_new_plugin_nothing_is_left(cara: Command, plugins: MiniGateway):
    plugins.answers["plugins.list"] = lambda _: {"plugins": [NEW]}
    plugins.answers["plugins.consent"] = lambda _: {"ok": True}
    assert "nothing of it is left" in cara("plugin", "consent", "zalo", "--no").out


def test_only_what_waits_can_be_decided(cara: Command, plugins: MiniGateway):
    plugins.answers["plugins.list"] = lambda _: {"plugins": [RUNNING]}
    assert "Nothing of zalo waits" in cara("plugin", "consent", "zalo").err
    assert "Nothing of other waits" in cara("plugin", "consent", "other").err
    assert cara("plugin", "consent", "zalo", "--yes", "--no").code == 2


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_a_plugin_is_switched(cara: Command, plugins: MiniGateway, verb):
    assert "zalo 1.0.0" in cara("plugin", verb, "zalo").out
    assert plugins.asked(f"plugins.{verb}") == [{"id": "zalo"}]


def test_one_goes_back(cara: Command, plugins: MiniGateway):
    cara("plugin", "rollback", "zalo")
    cara("plugin", "rollback", "zalo", "0.9.0", "--yes", "--json")
    assert plugins.asked("plugins.rollback") == [
        {"id": "zalo", "accept": False},
        {"id": "zalo", "version": "0.9.0", "accept": True},
    ]


def test_removing_needs_a_word(cara: Command, plugins: MiniGateway):
    done = cara("plugin", "remove", "zalo")
    assert done.code == 2
    assert "--yes" in done.err
    assert plugins.asked("plugins.remove") == []
    assert "zalo is gone" in cara("plugin", "remove", "zalo", "--yes").out


def test_a_reason_is_shown_after_a_change(cara: Command, plugins: MiniGateway):
    plugins.answers["plugins.enable"] = lambda _: {"ok": True, "plugin": BROKEN}
    done = cara("plugin", "enable", "draft")
    assert "draft 1.0.0 (UNSIGNED) is refused: nobody signed it" in done.out
