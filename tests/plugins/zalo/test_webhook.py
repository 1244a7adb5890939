"""Zalo's posts are answered with 200 only when they are written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from carapace_zalo.ports import PortError
from carapace_zalo.webhook import Post

from support.zalo_house import WEBHOOK_SECRET, ZaloHouse
from support.zalo_server import Scripted

UPDATE = {
    "event_name": "message.text.received",
    "message": {
        "message_id": "m1",
        "from": {"id": "u1", "display_name": "Linh", "is_bot": False},
        "chat": {"id": "u1", "chat_type": "PRIVATE"},
        "date": 1_760_000_000_123,
        "text": "xin chào",
    },
}
HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "x-bot-api-secret-token": WEBHOOK_SECRET,
}


@pytest.fixture
def listening(house):
    house.start(webhookUrl="https://gateway.example/plugins/zalo/hook")
    house.requests.clear()
    return house


def post(house, body: object = UPDATE, path="/hook", **changes):
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    request: Any = {"method": "POST", "path": path, "headers": HEADERS, "body": text} | changes
    return house.plugin.handle(Post(**request))


def test_a_start_tells_zalo_where_to_post(house, zalo):
    house.start(webhookUrl="https://gateway.example/plugins/zalo/hook")
    assert zalo.webhook == ("https://gateway.example/plugins/zalo/hook", WEBHOOK_SECRET)
    assert not house.polls
    assert WEBHOOK_SECRET not in repr(house.requests)


def test_a_message_is_kept_and_then_confirmed(listening):
    assert post(listening) == type(post(listening))(200, "ok")
    [message] = listening.inbox
    assert (message.text, message.account) == ("xin chào", "default")


def test_no_call_leaves_the_gateway_meanwhile(listening):
    post(listening)
    assert not listening.requests


@pytest.mark.parametrize(
    ("code", "retryable"),
    [("unavailable", True), ("unavailable", False), ("internal", False), ("refused", True)],
)
def test_what_could_not_be_kept_is_not_confirmed(listening, code, retryable):
    listening.inbox_error = PortError(code, "the disk is full", retryable=retryable)
    assert post(listening).status == 500
    listening.inbox_error = None
    assert post(listening).status == 200


def test_what_is_refused_for_good_need_not_come_again(listening):
    listening.inbox_error = PortError("refused", "there is no such conversation")
    assert post(listening).status == 400
    assert listening.inbox == []


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_only_posts_are_taken(listening, method):
    reply = post(listening, method=method)
    assert reply.status == 405
    assert reply.headers == (("Allow", "POST"),)


@pytest.mark.parametrize("secret", ["", "wrong", WEBHOOK_SECRET + "x", "x" * 300])
def test_another_secret_is_refused(listening, secret):
    reply = post(listening, headers=HEADERS | {"x-bot-api-secret-token": secret})
    assert reply.status == 401
    assert not listening.inbox


def test_no_secret_is_refused(listening):
    assert post(listening, headers={"content-type": "application/json"}).status == 401


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_only_json_is_read(listening, kind):
    assert post(listening, headers=HEADERS | {"content-type": kind}).status == 415


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"event_name": ""}', None, "[" * 100_000])
def test_what_is_no_update_is_a_bad_request(listening, body):
    assert post(listening, body).status == 400


def test_a_body_has_an_end(listening):
    assert post(listening, json.dumps({"event_name": "x" * 1_050_000})).status == 413


@pytest.mark.parametrize("event", ["message.sticker.received", "message.unsupported.received"])
def test_what_needs_no_answer_is_confirmed_and_logged(listening, event):
    assert post(listening, UPDATE | {"event_name": event}).status == 200
    assert not listening.inbox
    assert listening.lines[-1][0] == "info"


def test_a_wrapped_update_is_taken(listening):
    assert post(listening, {"ok": True, "result": UPDATE}).status == 200
    assert len(listening.inbox) == 1


def test_another_path_is_not_there(listening):
    assert post(listening, path="/other").status == 404


def test_an_alias_of_the_plugin_leads_to_all_its_webhooks(listening):
    assert post(listening, path="/").status == 200
    assert [one.text for one in listening.inbox] == ["xin chào"]


def test_without_a_webhook_there_is_nothing(house):
    house.start()
    assert post(house).status == 404


def test_accounts_that_share_a_path_are_told_apart_by_their_secret(house):
    class TwoSecrets(ZaloHouse):
        def secret(self, name):
            if name == "shop/webhookSecret":
                return "shop-secret-0123456789"
            return super().secret(name)

    shared = TwoSecrets(house.url, house.token, accounts=("default", "shop"))
    for account in ("default", "shop"):
        shared.start(account, webhookUrl="https://gateway.example/plugins/zalo/hook")
    post(shared, headers=HEADERS | {"x-bot-api-secret-token": "shop-secret-0123456789"})
    assert [one.account for one in shared.inbox] == ["shop"]


def test_a_secret_that_was_changed_is_refused_at_once(listening):
    """Row B10: nothing of it is remembered."""
    assert post(listening).status == 200
    listening.webhook_secret = "another-secret-0123456789"
    assert post(listening).status == 401


def test_a_stop_ends_the_webhook_at_zalo(listening, zalo):
    listening.plugin.stop("default")
    assert zalo.webhook is None
    assert post(listening).status == 404


@pytest.mark.parametrize("trouble", [Scripted.error(500), Scripted(manner="reset")])
def test_a_stop_that_zalo_does_not_hear_is_logged(listening, zalo, trouble):
    zalo.script("deleteWebhook", trouble)
    listening.plugin.stop("default")
    assert "stays set" in listening.lines[-1][1]
    assert post(listening).status == 404


def test_a_webhook_that_zalo_does_not_take_says_why(house, zalo):
    house.webhook_secret = "short"
    with pytest.raises(PortError, match="8 to 256") as caught:
        house.start(webhookUrl="https://gateway.example/plugins/zalo/hook")
    assert not caught.value.retryable
    assert not house.store


def test_a_zalo_that_is_busy_is_tried_again(house, zalo):
    zalo.script("setWebhook", Scripted(502, b"<html>"))
    with pytest.raises(PortError) as caught:
        house.start(webhookUrl="https://gateway.example/plugins/zalo/hook")
    assert caught.value.retryable
