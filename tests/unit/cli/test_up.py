"""`cara up` starts the gateway, announces it, and gives it a chat on a terminal."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import signal
import sys
from collections.abc import Generator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from carapace.errors import Failed, Refused
from support.command import Command
from support.mini_gateway import TOKEN, MiniGateway


@dataclass(frozen=True)
class Options:
    """The fields of `carapace.app.UpOptions`."""

    config: str | None
    state_dir: str | None
    port: int | None
    bind: str | None
    token: str | None
    no_model: bool
    no_chat: bool
    json: bool


class App(ModuleType):
    """Stands in for `carapace.app`: listens nowhere, ends when told."""

    UpOptions = Options

    def __init__(self) -> None:
        super().__init__("carapace.app")
        self.options: Options | None = None
        self.error: Exception | None = None
        self.has_stopped = False
        self.ready: dict[str, Any] = {"port": 4711}
        self.kill_when_ready = True

    async def run_gateway(self, options: Options, *, on_ready, stop: asyncio.Event) -> None:
        self.options = options
        if self.error is not None:
            raise self.error
        on_ready(self.ready)
        if self.kill_when_ready:
            os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        self.has_stopped = True


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def app(cara: Command, monkeypatch: pytest.MonkeyPatch) -> Generator[App]:
    import carapace  # noqa: PLC0415 - beside its use

    stand_in = App()
    monkeypatch.setitem(sys.modules, "carapace.app", stand_in)
    monkeypatch.setattr(carapace, "app", stand_in, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    yield stand_in
    signal.signal(signal.SIGTERM, before)


def test_one_json_line_says_that_it_listens(cara: Command, app: App):
    done = cara("up", "--json", "--no-model", "--port", "4711", "--bind", "lan", "--token", "t")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"event": "ready", "port": 4711}
    assert app.has_stopped
    assert app.options == Options(None, None, 4711, "lan", "t", True, True, True)


def test_garbage_is_collected_again_once_everything_is_imported(cara: Command, app: App):
    assert cara("up", "--json", "--no-model").code == 0
    assert gc.isenabled()


def test_people_are_told_where_and_how(cara: Command, app: App):
    app.ready = {"port": 1, "host": "::1", "tls": True, "stateDir": "/s"}
    done = cara("up", "--no-model", "--no-chat")
    assert "listens on https://[::1]:1" in done.err
    assert "cara token show" in done.err
    assert done.out == ""


def test_a_refusal_exits_with_78_and_a_failure_with_1(cara: Command, app: App):
    app.error = Refused("lan needs a token")
    done = cara("up", "--no-model")
    assert done.code == 78
    assert "why:  lan needs a token" in done.err
    app.error = Failed("the port is taken")
    assert cara("up", "--no-model").code == 1


def test_a_wrong_option_exits_with_2(cara: Command, app: App):
    assert cara("up", "--port", "many").code == 2
    assert cara("up", "--bind", "moon").code == 2
    assert app.options is None


def test_on_a_terminal_a_chat_begins_and_its_end_stops_the_gateway(
    cara: Command, app: App, gateway: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    app.kill_when_ready = False
    app.ready = {"port": gateway.port}
    monkeypatch.setattr(sys, "stdin", Terminal("hello\n"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = cara("up", "--no-model", "--token", TOKEN)
    assert done.code == 0, done.err
    assert gateway.asked("chat.send")[0]["message"] == "hello"
    assert app.has_stopped
    assert app.options is not None
    assert not app.options.no_chat


def test_the_model_is_fetched_first_and_its_lack_is_survived(
    cara: Command, app: App, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def pull(_paths: object, name: str) -> None:
        asked.append(name)
        if len(asked) > 1:
            raise Failed("no network")

    monkeypatch.setattr("carapace.cli.first_model.find_spec", lambda _: object())
    monkeypatch.setattr("carapace.cli.pulling.pull_model", pull)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "Fetching the model" in cara("up").err
    done = cara("up")
    assert done.code == 0
    assert "no network" in done.err
    assert "Starting without it" in done.err
    assert len(asked) == 2
    cara.write_config("{models: {embedded: {enabled: false}}}")
    assert "Fetching" not in cara("up").err
    assert len(asked) == 2


@pytest.mark.parametrize(
    "words", [("--port", "99999"), ("--port", "0"), ("--token", ""), ("--bind", "moon")]
)
def test_a_flag_without_sense_is_a_usage_error(cara: Command, words: tuple[str, str]):
    done = cara("up", "--no-model", *words)
    assert done.code == 2, done.err
    assert words[0] in done.err


def test_a_configuration_file_that_is_named_must_be_there(cara: Command):
    done = cara("up", "--no-model", "--config", "/nowhere/x.json")
    assert done.code == 78
    assert "there is no configuration file /nowhere/x.json" in done.err
