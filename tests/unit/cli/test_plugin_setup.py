"""`cara plugin setup` asks what the plugin wants to know, and keeps secrets off the screen."""

from __future__ import annotations

import getpass
import io
import json
import sys
from typing import Any

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway, Refuse


def question(key: str, kind: str = "text", **more: Any) -> dict[str, Any]:
    base = {"key": key, "label": f"The {key}", "help": "", "kind": kind, "choices": []}
    return base | {"required": True} | more


QUESTIONS = [
    question("botToken", "secret", help="From the service.\x1b[31m"),
    question("region", "choice", choices=["here", "there"]),
    question("greets", "yes-no"),
    question("path", required=False),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def plugin(gateway: MiniGateway) -> MiniGateway:
    gateway.answers["plugins.setup.questions"] = lambda _: {"questions": QUESTIONS}
    gateway.answers["plugins.setup.apply"] = lambda _: {"ok": True, "keys": ["channels.zalo.x"]}
    return gateway


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str, secrets: tuple[str, ...] = ("s",)) -> None:
    left = list(secrets)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: left.pop(0))
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))


def test_a_person_is_asked_and_nothing_secret_shows(
    cara: Command, plugin: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    typed(monkeypatch, "2", "y", "", secrets=("12:abc",))
    done = cara("plugin", "setup", "zalo")
    assert done.code == 0, done.err
    assert plugin.asked("plugins.setup.questions") == [{"id": "zalo", "accountId": "default"}]
    assert plugin.asked("plugins.setup.apply") == [
        {
            "id": "zalo",
            "accountId": "default",
            "answers": {"botToken": "12:abc", "region": "there", "greets": True},
        }
    ]
    assert "12:abc" not in done.out
    assert "\x1b" not in done.out
    assert "The path (may be left blank)" in done.out
    assert "Written: channels.zalo.x" in done.out
    assert "cara plugin probe zalo" in done.out


def test_what_is_no_answer_is_asked_again(
    cara: Command, plugin: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    typed(monkeypatch, "3", "nought", "0", "1", "", "a/b", secrets=("", "s"))
    done = cara("plugin", "setup", "zalo", "--account", "work")
    (sent,) = plugin.asked("plugins.setup.apply")
    assert sent["accountId"] == "work"
    expected = {"botToken": "s", "region": "here", "greets": False, "path": "a/b"}
    assert sent["answers"] == expected
    assert done.out.count("Give a number from 1 to 2.") == 3
    assert "This is needed." in done.out
    assert "cara plugin probe zalo --account work" in done.out


def test_a_program_gives_its_answers_as_json(
    cara: Command, plugin: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    given = io.TextIOWrapper(io.BytesIO(json.dumps({"botToken": "s"}).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    done = cara("plugin", "setup", "zalo", "--json")
    assert done.json == {"ok": True, "keys": ["channels.zalo.x"]}
    (sent,) = plugin.asked("plugins.setup.apply")
    assert sent["answers"] == {"botToken": "s"}


def test_without_answers_it_says_which_are_wanted(
    cara: Command, plugin: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    done = cara("plugin", "setup", "zalo")
    assert done.code == 2
    assert "botToken, region, greets, path" in done.err
    assert plugin.asked("plugins.setup.apply") == []


def test_a_probe_shows_as_whom_the_service_takes_us(cara: Command, gateway: MiniGateway):
    gateway.answers["plugins.channel.probe"] = lambda _: {"account": {"name": "Bot\x1b[2J"}}
    done = cara("plugin", "probe", "zalo")
    assert "zalo (default): the service takes our credentials." in done.out
    assert "  name: Bot" in done.out
    assert "\x1b" not in done.out
    assert cara("plugin", "probe", "zalo", "--json").json == {"account": {"name": "Bot\x1b[2J"}}


def test_a_probe_that_fails_says_why(cara: Command, gateway: MiniGateway):
    def refuse(_: dict[str, Any]) -> None:
        raise Refuse("INVALID_REQUEST", "zalo: the token is wrong")

    gateway.answers["plugins.channel.probe"] = refuse
    done = cara("plugin", "probe", "zalo")
    assert done.code == 1
    assert "the token is wrong" in done.err


def test_people_are_found(cara: Command, gateway: MiniGateway):
    people = [{"id": "u1", "chatType": "direct", "name": "Ada"}, {"id": "g1", "chatType": "group"}]
    gateway.answers["plugins.channel.directory"] = lambda _: {"people": people}
    done = cara("plugin", "find", "zalo", "a", "--limit", "2")
    assert done.out.splitlines()[1].split() == ["u1", "direct", "Ada"]
    assert gateway.asked("plugins.channel.directory") == [
        {"id": "zalo", "accountId": "default", "query": "a", "limit": 2}
    ]
    assert cara("plugin", "find", "zalo", "--json").json == {"people": people}
    gateway.answers["plugins.channel.directory"] = lambda _: {"people": []}
    assert "names nobody" in cara("plugin", "find", "zalo").out


def test_a_target_is_resolved(cara: Command, gateway: MiniGateway):
    gateway.answers["plugins.channel.resolve"] = lambda _: {"target": "u1"}
    assert cara("plugin", "resolve", "zalo", "Ada").out == "u1\n"
    assert cara("plugin", "resolve", "zalo", "Ada", "--json").json == {"target": "u1"}
