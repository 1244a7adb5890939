"""An answer grows by its deltas and ends once."""

from __future__ import annotations

import _thread

import pytest

from carapace.cli import conversation as module
from carapace.cli.client import GatewayClient
from carapace.cli.conversation import Conversation
from carapace.cli.options import Remote
from carapace.cli.target import find_target
from carapace.cli.trouble import Trouble
from support.command import Command
from support.mini_gateway import MiniGateway


@pytest.fixture
def talk(cara: Command, gateway: MiniGateway):
    with GatewayClient(find_target(Remote())) as client:
        yield Conversation(client, "main")


def test_each_piece_is_given_once_and_other_runs_are_left_alone(talk: Conversation):
    pieces: list[str] = []
    answer = talk.ask("hi", pieces.append)
    assert pieces == ["Hel", "lo", " there"]
    assert (answer.state, answer.text, answer.reason) == ("final", "Hello there", None)


def test_a_text_that_was_rewritten_is_given_anew(talk: Conversation, gateway: MiniGateway):
    gateway.chat_frames = [{"state": "delta", "text": "one"}, {"state": "final", "text": "two"}]
    pieces: list[str] = []
    assert talk.ask("hi", pieces.append).text == "two"
    assert pieces == ["one", "\ntwo"]


def test_a_failed_run_says_why(talk: Conversation, gateway: MiniGateway):
    gateway.chat_frames = [{"state": "error", "error": "no model"}]
    answer = talk.ask("hi", print)
    assert (answer.state, answer.text, answer.reason) == ("error", "", "no model")


def test_a_stop_word_runs_nothing(talk: Conversation, gateway: MiniGateway):
    gateway.answers["chat.send"] = lambda _: {"ok": True, "aborted": True, "runIds": []}
    assert talk.ask("stop", print).state == "aborted"


def test_an_interrupt_aborts_the_run(talk: Conversation, gateway: MiniGateway):
    gateway.waits_for_abort = True
    answer = talk.ask("hi", lambda _text: _thread.interrupt_main())
    assert answer.state == "aborted"
    assert answer.text == "Hel"
    (aborted,) = gateway.asked("chat.abort")
    assert aborted["runId"] == answer.run_id


def test_abort_and_reset_reach_the_session(talk: Conversation, gateway: MiniGateway):
    assert talk.abort() == 1
    talk.reset()
    assert gateway.asked("chat.abort") == [{"sessionKey": "main"}]
    assert gateway.asked("sessions.reset") == [{"key": "main"}]


def test_a_gateway_that_goes_silent_is_trouble(
    talk: Conversation, gateway: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    gateway.chat_frames = []
    monkeypatch.setattr(module, "_SILENCE_S", 0.05)
    with pytest.raises(Trouble, match="gone silent"):
        talk.ask("hi", print)
