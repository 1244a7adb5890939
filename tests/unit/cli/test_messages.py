"""Messages of chats in a table, and what is asked for to fill it."""

from __future__ import annotations

import time

import pytest

from carapace.cli.messages import message_table, page_params

ROW = {
    "id": 7,
    "channel": "webhook",
    "accountId": "default",
    "conversation": "c" * 60,
    "state": "unknown",
    "attempts": 2,
}


def test_what_nobody_asked_for_narrows_nothing():
    assert page_params(state=None, channel=None, limit=5) == {"limit": 5}
    asked = page_params(state="dead", channel="webhook", limit=5)
    assert asked == {"limit": 5, "state": "dead", "channel": "webhook"}


def test_no_messages_print_no_head(capsys: pytest.CaptureFixture[str]):
    message_table([], chat="to", since="createdAtMs")
    assert capsys.readouterr().out == ""


def test_a_line_fits_a_terminal_and_says_what_is_in_doubt(capsys: pytest.CaptureFixture[str]):
    an_hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    doubted = {**ROW, "mayBeRepeat": True, "createdAtMs": an_hour_ago_ms, "text": "x" * 90}
    message_table([doubted], chat="to", since="createdAtMs")
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "to", "state", "age", "tries", "trouble", "text"]
    assert "unknown (may be a repeat)" in line
    assert " 1h " in line
    assert line.endswith(" " + "x" * 40)
    assert "c" * 40 not in line
