"""`cara setup` asks what the gateway asks, or asks it here where none runs."""

from __future__ import annotations

import getpass
import io
import json
import sys
from typing import Any

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway, Refuse


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


STEPS: list[dict[str, Any]] = [
    {"type": "note", "title": "Hello\x1b[31m", "message": ""},
    {
        "type": "select",
        "message": "Who?",
        "options": [{"value": "a", "label": "A", "hint": "hinted"}, {"value": "b", "label": "B"}],
        "initialValue": "b",
    },
    {"type": "text", "message": "Key?", "sensitive": True},
    {"type": "text", "message": "Where?", "placeholder": "http://h"},
    {"type": "confirm", "title": "Write it", "message": "Yes?", "initialValue": True},
]


class Wizard:
    """Asks the steps above in order, and remembers the answers."""

    def __init__(self, gateway: MiniGateway) -> None:
        self.answers: list[Any] = []
        self.end: dict[str, Any] = {"done": True, "status": "done"}
        self.refusals: list[str] = []
        gateway.answers["wizard.start"] = self.start
        gateway.answers["wizard.next"] = self.next
        gateway.answers["wizard.cancel"] = lambda _: {"status": "cancelled"}

    def start(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"sessionId": "s", **self.open()}

    def open(self) -> dict[str, Any]:
        if len(self.answers) == len(STEPS):
            return self.end
        step = {"id": str(len(self.answers)), **STEPS[len(self.answers)]}
        return {"done": False, "step": step, "status": "running"}

    def next(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.refusals:
            raise Refuse("INVALID_REQUEST", self.refusals.pop(0))
        assert params["answer"]["stepId"] == str(len(self.answers))
        self.answers.append(params["answer"].get("value"))
        return self.open()


@pytest.fixture
def wizard(gateway: MiniGateway) -> Wizard:
    return Wizard(gateway)


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str, secrets: tuple[str, ...] = ("k",)) -> None:
    left = list(secrets)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: left.pop(0))
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))


def test_it_asks_what_the_gateway_asks(
    cara: Command, gateway: MiniGateway, wizard: Wizard, monkeypatch: pytest.MonkeyPatch
):
    typed(monkeypatch, "1", "http://x", "y", secrets=("hunter2",))
    done = cara("setup", "--workspace", "/w")
    assert done.code == 0, done.err
    assert gateway.asked("wizard.start") == [{"workspace": "/w"}]
    assert wizard.answers == [None, "a", "hunter2", "http://x", True]
    assert "hunter2" not in done.out
    assert "\x1b" not in done.out
    assert "1. A (hinted)" in done.out


def test_enter_takes_what_is_suggested(
    cara: Command, wizard: Wizard, monkeypatch: pytest.MonkeyPatch
):
    typed(monkeypatch, "", "", "")
    assert cara("setup").code == 0
    assert wizard.answers == [None, "b", "k", "", True]


def test_no_is_an_answer(cara: Command, wizard: Wizard, monkeypatch: pytest.MonkeyPatch):
    wizard.end = {"done": True, "status": "cancelled", "error": "cancelled"}
    typed(monkeypatch, "", "", "maybe", "n")
    done = cara("setup")
    assert done.code == 0
    assert wizard.answers[-1] is False
    assert "Answer y or n." in done.out
    assert "Nothing was written." in done.out


def test_what_is_no_answer_is_asked_again(
    cara: Command, wizard: Wizard, monkeypatch: pytest.MonkeyPatch
):
    typed(monkeypatch, "3", "x", "1", "", "")
    done = cara("setup")
    assert done.out.count("Give a number from 1 to 2.") == 2
    wizard.answers.clear()
    wizard.refusals = ["Choose one of: a, b."]
    typed(monkeypatch, "1", "", "")
    done = cara("setup")
    assert done.code == 0
    assert "Choose one of: a, b." in done.out


@pytest.mark.parametrize("message", ["wizard not found", "Error: wizard: no pending step"])
def test_questions_that_are_gone_end_it(
    cara: Command, wizard: Wizard, monkeypatch: pytest.MonkeyPatch, message: str
):
    wizard.refusals = [message]
    typed(monkeypatch)
    done = cara("setup")
    assert done.code == 1
    assert message in done.err


def test_what_could_not_be_written_is_told(
    cara: Command, wizard: Wizard, monkeypatch: pytest.MonkeyPatch
):
    wizard.end = {"done": True, "status": "error", "error": "the vault is locked"}
    typed(monkeypatch, "", "", "")
    done = cara("setup")
    assert done.code == 1
    assert "the vault is locked" in done.err


def test_leaving_it_forgets_the_answers(
    cara: Command, gateway: MiniGateway, wizard: Wizard, monkeypatch: pytest.MonkeyPatch
):
    typed(monkeypatch, "1")
    done = cara("setup")
    assert done.code == 130
    assert "Nothing was written." in done.out
    assert gateway.asked("wizard.cancel") == [{"sessionId": "s"}]
    assert len(wizard.answers) == 3


@pytest.mark.parametrize("is_json", [True, False])
def test_without_a_person_it_asks_nothing(
    cara: Command, monkeypatch: pytest.MonkeyPatch, is_json: bool
):
    if is_json:
        typed(monkeypatch)
    else:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
    done = cara("setup", *(["--json"] if is_json else []))
    assert done.code == 2
    assert "cara config set" in done.out + done.err


def test_another_machines_gateway_has_to_be_there(cara: Command, monkeypatch: pytest.MonkeyPatch):
    typed(monkeypatch)
    done = cara("setup", "--url", "ws://127.0.0.1:9", "--token", "t")
    assert done.code == 1
    assert "No gateway answers" in done.err


def test_where_no_gateway_runs_the_same_questions_write_the_file(
    cara: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CARAPACE_GATEWAY_PORT", "9")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    cara.write_config("{\n  // mine\n  models: { embedded: { enabled: false } },\n}\n")
    secrets = ("", "hunter2")
    vendors = "2"  # OpenAI stands second once the embedded model is off
    typed(monkeypatch, vendors, "1", "", "2", "y", secrets=secrets)
    done = cara("setup")
    assert done.code == 0, done.err
    assert "No gateway runs here" in done.out
    assert "OpenAI does nothing without a key." in done.out
    assert "ExecStart=" in done.out
    text = cara.config.read_text()
    assert "// mine" in text
    assert "openai/" in text
    assert "hunter2" not in text
    assert "hunter2" not in (cara.state / "credentials" / "vault.json").read_text()
    assert json.loads((cara.state / "credentials" / "vault.json").read_text())


def test_leaving_it_where_no_gateway_runs_writes_nothing(
    cara: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CARAPACE_GATEWAY_PORT", "9")
    typed(monkeypatch)
    done = cara("setup")
    assert done.code == 130
    assert not cara.config.exists()
