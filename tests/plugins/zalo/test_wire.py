"""Requests hold a place for the token and never it; answers are read for what they are."""

from __future__ import annotations

import json

import pytest
from carapace_zalo.accounts import Account
from carapace_zalo.ports import Answer, Secret
from carapace_zalo.wire import Failure, Success, as_error, clean, read, request, updates_request

BOT = Account(name="default", token_name="default/botToken")


def failure(status: int, body: object = None, retry_after: str | None = None) -> Failure:
    text = body if isinstance(body, str) else json.dumps(body)
    said = read(Answer(status=status, text=text, retry_after=retry_after))
    assert isinstance(said, Failure)
    return said


def test_a_request_has_a_place_for_the_token():
    asked = request(BOT, "sendMessage", {"chat_id": "c", "text": "chào"})
    assert asked.url == "https://bot-api.zaloplatforms.com/bot{token}/sendMessage"
    assert asked.secrets == (Secret("default/botToken", "path", "{token}"),)
    assert json.loads(asked.body) == {"chat_id": "c", "text": "chào"}


def test_a_secret_field_is_named_only():
    asked = request(BOT, "setWebhook", {"url": "u"}, secret_fields={"secret_token": "default/s"})
    assert Secret("default/s", "json", "/secret_token") in asked.secrets
    assert "default/s" not in asked.body


def test_waiting_for_updates_takes_a_little_longer_than_zalo_waits():
    assert json.loads(updates_request(BOT).body) == {"timeout": "30"}
    assert updates_request(BOT).timeout_ms == 35_000
    assert updates_request(BOT, 1).timeout_ms == 6_000


def test_a_success_gives_its_result():
    assert read(Answer(status=200, text='{"ok": true, "result": {"a": 1}}')) == Success({"a": 1})
    assert read(Answer(status=200, text='{"ok": true}')) == Success(None)


def test_a_refusal_is_known_by_its_own_code():
    said = failure(200, {"ok": False, "error_code": 429, "description": "slow down"})
    assert (said.code, said.is_understood) == (429, True)
    assert '"slow down"' in said.message


def test_without_a_code_the_status_counts():
    assert failure(403, {"ok": False}).code == 403
    assert failure(500, {"ok": True, "result": {}}).code == 500
    assert failure(400, {"ok": False, "error_code": True}).code == 400


@pytest.mark.parametrize("text", ["<html>busy</html>", "", "[]", "7", '{"ok": 1}', "[" * 100_000])
def test_what_is_no_answer_of_the_api_is_called_so(text):
    said = failure(502, text)
    assert (said.code, said.is_understood) == (502, False)
    assert "look again later" in said.message


@pytest.mark.parametrize(
    ("code", "word"), [(401, "botToken"), (403, "blocked"), (429, "later"), (418, "418")]
)
def test_a_refusal_says_what_to_do(code, word):
    assert word in failure(code, {"ok": False, "error_code": code}).message


@pytest.mark.parametrize(
    ("header", "wait_ms"),
    [("9", 9_000), (" 9 ", 9_000), ("soon", None), (None, None), ("9" * 20, None), ("-1", None)],
)
def test_how_long_to_wait_is_told_in_seconds(header, wait_ms):
    assert failure(429, {"ok": False}, header).retry_after_ms == wait_ms


def test_what_the_service_says_becomes_one_short_line():
    assert clean("a\nb\x00\x1b[31m  c") == "a b [31m c"
    assert len(clean("x" * 5_000)) == 300
    assert clean(None) == ""


@pytest.mark.parametrize(
    ("code", "is_understood", "is_retryable"),
    [
        (401, True, False),
        (400, True, False),
        (429, True, True),
        (500, True, True),
        (0, False, True),
    ],
)
def test_as_an_error_it_says_whether_it_may_work_later(code, is_understood, is_retryable):
    error = as_error(Failure(code=code, message="m", is_understood=is_understood))
    assert error.retryable is is_retryable
