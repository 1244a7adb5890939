"""`cara inbox` lists what came in and replays what was given up."""

from __future__ import annotations

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway

ITEM = {
    "id": 3,
    "channel": "webhook",
    "accountId": "default",
    "conversation": "c1",
    "messageId": "m1",
    "state": "dead",
    "text": "hi",
    "attempts": 3,
    "receivedAtMs": 1,
    "reason": "the turn was interrupted three times",
}
COUNTS = {"waiting": 1, "working": 2, "dead": 3}


@pytest.fixture
def inbox(gateway: MiniGateway) -> MiniGateway:
    gateway.answers["inbox.list"] = lambda _: {"items": [ITEM], **COUNTS}
    gateway.answers["inbox.replay"] = lambda _: {"ok": True, "item": ITEM}
    return gateway


@pytest.mark.parametrize("words", [("inbox",), ("inbox", "list")])
def test_messages_are_listed_with_how_many_there_are(cara: Command, inbox: MiniGateway, words):
    done = cara(*words)
    assert done.code == 0, done.err
    assert "1 waiting, 2 being answered, 3 given up" in done.out
    assert "the turn was interrupted three times" in done.out


def test_the_list_can_be_narrowed_and_read_by_programs(cara: Command, inbox: MiniGateway):
    done = cara("inbox", "list", "--state", "dead", "--channel", "webhook", "--json")
    assert done.json["items"][0]["id"] == 3
    assert inbox.asked("inbox.list") == [{"limit": 50, "state": "dead", "channel": "webhook"}]


def test_an_empty_inbox_is_no_error(cara: Command, inbox: MiniGateway):
    inbox.answers["inbox.list"] = lambda _: {"items": [], **dict.fromkeys(COUNTS, 0)}
    assert cara("inbox").out == "In the inbox: 0 waiting, 0 being answered, 0 given up.\n"


def test_a_message_is_replayed(cara: Command, inbox: MiniGateway):
    assert cara("inbox", "replay", "3").out == "Message 3 is being worked on again.\n"
    assert cara("inbox", "replay", "3", "--json").json["ok"] is True
    assert inbox.asked("inbox.replay")[0] == {"id": 3}
