from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.plugin_setup import (
    ChannelDirectory,
    ChannelLogin,
    ChannelPerson,
    ChannelResolve,
    SetupAnswers,
    SetupWanted,
)


def test_without_an_account_it_is_the_default_one():
    assert msgspec.convert({"id": "zalo"}, SetupWanted).account_id == "default"
    assert msgspec.convert({"id": "zalo", "accountId": "w"}, SetupWanted).account_id == "w"


@pytest.mark.parametrize(
    ("given", "params"),
    [
        ({}, SetupWanted),
        ({"id": "../zalo"}, SetupWanted),
        ({"id": "zalo", "accountId": "a/b"}, SetupWanted),
        ({"id": "zalo", "surprise": 1}, SetupAnswers),
        ({"id": "zalo", "answers": []}, SetupAnswers),
        ({"id": "zalo", "answer": "x"}, ChannelLogin),
        ({"id": "zalo", "limit": 0}, ChannelDirectory),
        ({"id": "zalo", "limit": 1_000}, ChannelDirectory),
        ({"id": "zalo", "text": "x" * 2_000}, ChannelResolve),
    ],
)
def test_what_makes_no_sense_is_refused(given, params):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, params)


def test_what_is_not_known_is_left_out():
    told = msgspec.to_builtins(ChannelPerson(id="1", chat_type="direct"))
    assert told == {"id": "1", "chatType": "direct"}
