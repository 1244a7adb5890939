"""`cara pairing` lists who asks, lets people in and out again."""

from __future__ import annotations

import pytest

from support.command import Command
from support.mini_gateway import MiniGateway

PENDING = {
    "channel": "webhook",
    "accountId": "default",
    "senderId": "u1",
    "displayName": "The Owner\x1b[31m",
    "requestedAtMs": 1,
    "expiresAtMs": 2,
}
ALLOWED = {"channel": "webhook", "accountId": "default", "senderId": "u2", "approvedAtMs": 1}


@pytest.fixture
def people(gateway: MiniGateway) -> MiniGateway:
    who = {"channel": "webhook", "accountId": "default", "senderId": "u1"}
    gateway.answers["channels.pairing.list"] = lambda _: {
        "pending": [PENDING],
        "allowed": [ALLOWED],
    }
    gateway.answers["channels.pairing.approve"] = lambda _: {"ok": True, **who}
    gateway.answers["channels.pairing.reject"] = lambda _: {"ok": True}
    gateway.answers["channels.pairing.revoke"] = lambda given: {"ok": given["senderId"] == "u2"}
    return gateway


@pytest.mark.parametrize("words", [("pairing",), ("pairing", "list")])
def test_those_who_ask_and_those_let_in_are_listed(cara: Command, people: MiniGateway, words):
    done = cara(*words)
    assert done.code == 0, done.err
    assert "u1" in done.out
    assert "Let in: u2 on webhook/default" in done.out
    assert "\x1b" not in done.out


def test_the_list_can_be_narrowed_and_read_by_programs(cara: Command, people: MiniGateway):
    done = cara("pairing", "list", "--channel", "webhook", "--json")
    assert done.json["pending"][0]["senderId"] == "u1"
    assert people.asked("channels.pairing.list") == [{"channel": "webhook"}]


def test_nobody_asking_is_no_error(cara: Command, people: MiniGateway):
    people.answers["channels.pairing.list"] = lambda _: {"pending": [], "allowed": []}
    assert cara("pairing").out == "Nobody asks to be let in.\n"


def test_a_code_lets_somebody_in(cara: Command, people: MiniGateway):
    assert "u1 may now write" in cara("pairing", "approve", "webhook", "ABCD2345").out
    words = ("pairing", "approve", "webhook", "ABCD2345", "--account", "second", "--json")
    assert cara(*words).json["ok"] is True
    assert people.asked("channels.pairing.approve") == [
        {"channel": "webhook", "code": "ABCD2345"},
        {"channel": "webhook", "code": "ABCD2345", "accountId": "second"},
    ]


def test_a_request_is_forgotten(cara: Command, people: MiniGateway):
    assert cara("pairing", "reject", "webhook", "ABCD2345").out == "That request is forgotten.\n"
    assert cara("pairing", "reject", "webhook", "ABCD2345", "--json").json == {"ok": True}


def test_somebody_is_let_in_no_longer(cara: Command, people: MiniGateway):
    assert cara("pairing", "revoke", "webhook", "u2").out == "u2 is a stranger again.\n"
    assert cara("pairing", "revoke", "webhook", "u2", "--json").json == {"ok": True}
    done = cara("pairing", "revoke", "webhook", "u3")
    assert done.code == 1
    assert "u3 was not let in by a code." in done.err
