"""The setup assistant asks for what is needed, and refuses what cannot work."""

from __future__ import annotations

import json

import pytest
from carapace_zalo.ports import PortError
from carapace_zalo.setup import questions, settings

TOKEN = "98765:given-by-a-person"


def answered(**answers):
    return json.loads(settings("default", json.dumps(answers)))


def test_only_the_token_is_required_and_secrets_are_asked_for_as_such():
    asked = {one.key: one for one in questions()}
    assert [key for key, one in asked.items() if one.required] == ["botToken"]
    assert asked["botToken"].kind == asked["webhookSecret"].kind == "secret"
    assert all(one.label and one.help for one in asked.values())


def test_a_token_is_enough():
    assert answered(botToken=f" {TOKEN} ", webhookUrl="") == {"botToken": TOKEN}


def test_a_webhook_takes_its_secret_with_it():
    given = {
        "botToken": TOKEN,
        "webhookUrl": "https://a.example/plugins/zalo/",
        "webhookSecret": "12345678",
    }
    assert answered(**given) == given


def test_handles_go_back_as_they_came():
    given = {"botToken": "default/botToken", "webhookSecret": "default/webhookSecret"}
    assert answered(**given) == given


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ({}, "missing"),
        ({"botToken": 7}, "missing"),
        ({"botToken": "abc"}, "12345689"),
        ({"botToken": "12:a b"}, "12345689"),
        ({"botToken": "other/botToken"}, "12345689"),
        ({"botToken": TOKEN, "webhookUrl": "http://a.example"}, "https"),
        ({"botToken": TOKEN, "webhookUrl": "https://a.example"}, "secret"),
        ({"botToken": TOKEN, "webhookSecret": "short"}, "8 to 256"),
        ({"botToken": TOKEN, "webhookSecret": "x" * 257}, "8 to 256"),
    ],
)
def test_an_answer_that_does_not_fit_is_explained(answers, word):
    with pytest.raises(PortError, match=word) as caught:
        answered(**answers)
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize("text", ["[]", "{", "7"])
def test_answers_are_an_object(text):
    with pytest.raises(PortError, match="no object"):
        settings("default", text)
