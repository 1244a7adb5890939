"""`cara outbox` lists, shows, tries again and drops."""

from __future__ import annotations

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway, Refuse

ITEM = {
    "id": 7,
    "channel": "webhook",
    "accountId": "default",
    "conversation": "c1",
    "state": "dead",
    "text": "hello\x1b[31m",
    "attempts": 3,
    "mayBeRepeat": True,
    "createdAtMs": 1,
    "expiresAtMs": 2,
    "reason": "410 Gone",
}
COUNTS = {"waiting": 4, "sending": 1, "unknown": 0, "dead": 2}


@pytest.fixture
def outbox(gateway: MiniGateway) -> MiniGateway:
    attempt = {"attempt": 1, "startedAtMs": 5, "endedAtMs": 17, "outcome": "dead", "reason": "gone"}
    gateway.answers["outbox.list"] = lambda _: {"items": [ITEM], **COUNTS}
    gateway.answers["outbox.get"] = lambda _: {"item": ITEM, "attempts": [attempt]}
    gateway.answers["outbox.retry"] = lambda _: {"ok": True, "item": ITEM}
    gateway.answers["outbox.drop"] = lambda _: {"ok": True, "item": ITEM}
    return gateway


@pytest.mark.parametrize("words", [("outbox",), ("outbox", "list")])
def test_messages_are_listed_with_how_many_there_are(cara: Command, outbox: MiniGateway, words):
    done = cara(*words)
    assert done.code == 0, done.err
    assert "4 waiting, 1 sending, 0 unknown, 2 dead" in done.out
    assert "webhook/default c1" in done.out
    assert "dead (may be a repeat)" in done.out
    assert "\x1b" not in done.out


def test_the_list_can_be_narrowed_and_read_by_programs(cara: Command, outbox: MiniGateway):
    done = cara("outbox", "list", "--state", "dead", "--channel", "webhook", "--json")
    assert done.json["items"][0]["id"] == 7
    assert outbox.asked("outbox.list") == [{"limit": 50, "state": "dead", "channel": "webhook"}]


def test_an_empty_outbox_is_no_error(cara: Command, outbox: MiniGateway):
    outbox.answers["outbox.list"] = lambda _: {"items": [], **dict.fromkeys(COUNTS, 0)}
    assert cara("outbox").out == "In the outbox: 0 waiting, 0 sending, 0 unknown, 0 dead.\n"


def test_one_message_is_shown_with_its_attempts(cara: Command, outbox: MiniGateway):
    done = cara("outbox", "show", "7")
    assert "reason: 410 Gone" in done.out
    assert "attempt 1: dead after 12 ms: gone" in done.out
    assert cara("outbox", "show", "7", "--json").json["item"]["id"] == 7


def test_a_message_is_tried_again(cara: Command, outbox: MiniGateway):
    assert cara("outbox", "retry", "7").out == "Message 7 will be tried again.\n"
    assert cara("outbox", "retry", "7", "--json").json["ok"] is True
    assert outbox.asked("outbox.retry")[0] == {"id": 7}


def test_what_the_gateway_refuses_is_told(cara: Command, outbox: MiniGateway):
    def refuse(_: object) -> None:
        raise Refuse("INVALID_REQUEST", "there is no message 9")

    outbox.answers["outbox.retry"] = refuse
    done = cara("outbox", "retry", "9")
    assert done.code == 1
    assert "there is no message 9" in done.err


def test_nothing_is_dropped_without_a_yes(cara: Command, outbox: MiniGateway):
    assert cara("outbox", "drop", "7").code == 2
    assert outbox.asked("outbox.drop") == []


def test_a_message_is_dropped_with_its_reason(cara: Command, outbox: MiniGateway):
    assert cara("outbox", "drop", "7", "-y", "--reason", "old").out == "Message 7 was dropped.\n"
    assert cara("outbox", "drop", "7", "--yes", "--json").json["ok"] is True
    assert outbox.asked("outbox.drop") == [{"id": 7, "reason": "old"}, {"id": 7}]
