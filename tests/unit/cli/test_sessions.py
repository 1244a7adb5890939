"""`cara sessions` lists, shows and deletes."""

from __future__ import annotations

import io
import sys

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("words", [("sessions",), ("sessions", "list")])
def test_conversations_are_listed(cara: Command, gateway: MiniGateway, words):
    done = cara(*words)
    assert done.code == 0, done.err
    assert "agent:main:main" in done.out
    assert "First" in done.out


def test_the_list_can_be_narrowed_and_read_by_programs(cara: Command, gateway: MiniGateway):
    done = cara("sessions", "list", "--limit", "3", "--search", "x", "--json")
    assert done.json["sessions"][0]["totalTokens"] == 7
    assert gateway.asked("sessions.list") == [
        {"limit": 3, "includeDerivedTitles": True, "search": "x"}
    ]


def test_no_conversation_is_no_error(cara: Command, gateway: MiniGateway):
    gateway.answers["sessions.list"] = lambda _: {"sessions": []}
    assert "No conversations yet" in cara("sessions").out


def test_messages_are_shown_without_terminal_escapes(cara: Command, gateway: MiniGateway):
    done = cara("sessions", "show", "main")
    assert done.out == "user:\nhi\n\nassistant:\nplain\n\n"
    assert len(cara("sessions", "show", "main", "--json").json["messages"]) == 3


def test_an_empty_conversation_is_said(cara: Command, gateway: MiniGateway):
    done = cara("sessions", "show", "empty")
    assert done.code == 1
    assert "There is no message in empty." in done.err


def test_nothing_is_deleted_without_a_yes(
    cara: Command, gateway: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert cara("sessions", "delete", "agent:main:main").code == 2
    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    assert cara("sessions", "delete", "agent:main:main").code == 2
    assert gateway.asked("sessions.delete") == []


def test_a_yes_deletes(cara: Command, gateway: MiniGateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    done = cara("sessions", "delete", "agent:main:main")
    assert done.code == 0
    assert "Deleted agent:main:main." in done.out


def test_a_script_deletes_with_yes(cara: Command, gateway: MiniGateway):
    words = ("sessions", "delete", "agent:main:main", "--yes", "--keep-transcript", "--json")
    assert cara(*words).json == {"deleted": True}
    assert gateway.asked("sessions.delete") == [
        {"key": "agent:main:main", "deleteTranscript": False}
    ]


def test_deleting_what_is_not_there_is_an_error(cara: Command, gateway: MiniGateway):
    done = cara("sessions", "delete", "nobody", "-y")
    assert done.code == 1
    assert "There is no conversation nobody." in done.err
