"""`cara chat` asks once, reads a pipe, or converses."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch):
    """Make standard input a pipe that says something."""

    def pipe(text: str) -> None:
        reader, writer = os.pipe()
        with os.fdopen(writer, "w") as file:
            file.write(text)
        monkeypatch.setattr(sys, "stdin", os.fdopen(reader))

    yield pipe
    sys.stdin.close()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch):
    def say(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))

    return say


def test_one_question_gets_its_answer_on_standard_output(
    cara: Command, gateway: MiniGateway, terminal
):
    terminal()
    done = cara("chat", "hello", "--session", "work")
    assert done.code == 0, done.err
    assert done.out == "Hello there\n"
    (sent,) = gateway.asked("chat.send")
    assert (sent["message"], sent["sessionKey"]) == ("hello", "work")


def test_programs_get_json(cara: Command, gateway: MiniGateway, terminal):
    terminal()
    got = cara("chat", "hello", "--json").json
    assert (got["state"], got["text"], got["error"]) == ("final", "Hello there", None)


@pytest.mark.parametrize(
    ("words", "sent"), [((), "from a pipe"), (("explain:",), "explain:\n\nfrom a pipe")]
)
def test_what_is_piped_in_is_asked(cara: Command, gateway: MiniGateway, piped, words, sent: str):
    piped("from a pipe\n")
    assert cara("chat", *words).code == 0
    assert gateway.asked("chat.send")[0]["message"] == sent


def test_an_empty_pipe_is_a_usage_error(cara: Command, gateway: MiniGateway, piped):
    piped("")
    assert cara("chat").code == 2


def test_too_much_is_a_usage_error(
    cara: Command, gateway: MiniGateway, piped, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("carapace.cli.chat._MAX_PIPED_CHARS", 3)
    piped("four")
    assert cara("chat").code == 2


def test_the_null_device_has_nothing_to_add(
    cara: Command, gateway: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    with Path(os.devnull).open() as null:
        monkeypatch.setattr(sys, "stdin", null)
        assert cara("chat", "hello").code == 0
    assert gateway.asked("chat.send")[0]["message"] == "hello"


def test_json_needs_a_message(cara: Command, gateway: MiniGateway, terminal):
    terminal()
    assert cara("chat", "--json").code == 2


def test_a_failed_run_is_a_failed_command(cara: Command, gateway: MiniGateway, terminal):
    terminal()
    gateway.chat_frames = [{"state": "error", "error": "no \x1b[31mmodel"}]
    done = cara("chat", "hello")
    assert done.code == 1
    assert done.err == "error: no model\n"


def test_a_conversation_answers_resets_aborts_and_ends(
    cara: Command, gateway: MiniGateway, terminal
):
    terminal("hello", "", "/new", "/abort", "/help", "/quit", "never sent")
    done = cara("chat")
    assert done.code == 0, done.err
    assert "Hello there" in done.out
    assert "A new conversation." in done.out
    assert "Ended 1 running." in done.out
    assert "Ctrl-C" in done.out
    assert [sent["message"] for sent in gateway.asked("chat.send")] == ["hello"]
    history = cara.state / "chat_history"
    assert history.stat().st_mode & 0o777 == 0o600


def test_nothing_to_abort_is_said_and_the_end_of_input_leaves(
    cara: Command, gateway: MiniGateway, terminal
):
    gateway.answers["chat.abort"] = lambda _: {"ok": True, "aborted": False, "runIds": []}
    terminal("/abort")
    done = cara("chat")
    assert done.code == 0
    assert "Nothing was running." in done.out


def test_ctrl_c_at_the_prompt_leaves(
    cara: Command, gateway: MiniGateway, terminal, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(_prompt: str) -> str:
        raise KeyboardInterrupt

    terminal()
    monkeypatch.setattr("builtins.input", interrupt)
    assert cara("chat").code == 0


def test_an_aborted_answer_is_marked(cara: Command, gateway: MiniGateway, terminal):
    terminal()
    gateway.chat_frames = [{"state": "aborted", "text": "Hel"}]
    done = cara("chat", "hello")
    assert done.code == 1
    assert (done.out, done.err) == ("Hel\n", "(aborted)\n")
