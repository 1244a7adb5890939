"""Who the bot is, and how people name a chat."""

from __future__ import annotations

import json

import pytest
from carapace_zalo.bots import resolve
from carapace_zalo.ports import PortError

from support.zalo_server import Scripted


def test_a_probe_says_who_the_bot_is(house):
    house.start()
    assert json.loads(house.plugin.probe("default")) == {
        "id": "1459232241454765289",
        "name": "bot.carapace",
        "type": "BASIC",
        "canJoinGroups": True,
    }


def test_a_name_may_be_called_name(house, zalo):
    house.start()
    zalo.script("getMe", Scripted(200, b'{"ok": true, "result": {"id": 5, "name": "old"}}'))
    found = json.loads(house.plugin.probe("default"))
    assert (found["id"], found["name"], found["canJoinGroups"]) == ("5", "old", False)


@pytest.mark.parametrize(
    ("answer", "retryable"),
    [(Scripted.error(401), False), (Scripted.error(500), True), (Scripted(502, b"<html>"), True)],
)
def test_a_probe_that_fails_says_whether_to_try_again(house, zalo, answer, retryable):
    house.start()
    zalo.script("getMe", answer)
    with pytest.raises(PortError) as caught:
        house.plugin.probe("default")
    assert caught.value.retryable is retryable


def test_an_answer_without_anything_is_survived(house, zalo):
    zalo.script("getMe", Scripted(200, b'{"ok": true}'))
    house.start()
    assert house.statuses[-1][2] == "It asks Zalo for messages."


def test_a_zalo_out_of_reach_does_not_hinder_the_start(house, zalo):
    zalo.script("getMe", Scripted(manner="reset"))
    house.start()
    assert "is not known" in house.lines[0][1]


@pytest.mark.parametrize(
    ("text", "chat"),
    [
        ("zalo:123", "123"),
        ("ZL:abc", "abc"),
        (" zalo:group:9f ", "9f"),
        ("5b6f0c2d9e1a4b7c8d3e", "5b6f0c2d9e1a4b7c8d3e"),
        ("Ab", "Ab"),
    ],
)
def test_a_target_is_any_token(text, chat):
    assert resolve(text) == chat


@pytest.mark.parametrize("text", ["", "zalo:", "zalo:group:", "a b", "a\nb", "x" * 200])
def test_what_is_no_token_is_refused(text):
    with pytest.raises(PortError, match="zalo:<id>"):
        resolve(text)
