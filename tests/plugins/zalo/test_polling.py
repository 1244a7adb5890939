"""Updates are taken one by one, and none is lost, whatever Zalo and the inbox do."""

from __future__ import annotations

import json
import threading

import pytest
from carapace_zalo.ports import Answer, PortError

from support.zalo_server import Scripted

FULL = PortError("unavailable", "the inbox is full", retryable=True)
NO_SUCH_ACCOUNT = PortError("refused", "there is no such account")


def texts(house) -> list[str]:
    return [one.text for one in house.inbox]


def is_asking(house, account="default") -> bool:
    return f"updates/{account}" in house.polls


def seconds(house) -> str:
    return json.loads(house.polls["updates/default"][0].body)["timeout"]


def test_a_start_ends_the_webhook_and_asks(house, zalo):
    zalo.webhook = ("https://elsewhere.example/", "x" * 8)
    house.start()
    assert zalo.webhook is None
    assert seconds(house) == "30"
    assert house.statuses[-1][:2] == ("default", "running")
    assert "bot.carapace" in house.statuses[-1][2]


def test_a_text_is_handed_in(house, zalo):
    house.start()
    zalo.write("xin chào", chat="c1", sender="u1")
    house.poll()
    [message] = house.inbox
    assert (message.text, message.conversation_id, message.sender_id) == ("xin chào", "c1", "u1")
    assert is_asking(house)


def test_messages_keep_their_order(house, zalo):
    house.start()
    for number in range(5):
        zalo.write(str(number))
    for _ in range(5):
        house.poll()
    assert texts(house) == list("01234")


def test_nothing_new_changes_nothing(house, zalo):
    house.start()
    shown = len(house.statuses)
    zalo.script("getUpdates", *[Scripted.error(408)] * 20)
    for _ in range(20):
        house.poll()
    assert is_asking(house)
    assert not house.alarms
    assert len(house.statuses) == shown


@pytest.mark.parametrize("body", [b'{"ok": true}', b'{"ok": true, "result": []}'])
def test_an_empty_success_is_nothing_new(house, zalo, body):
    house.start()
    zalo.script("getUpdates", Scripted(200, body))
    house.poll()
    assert is_asking(house)
    assert not house.alarms


def test_several_updates_in_one_answer_are_all_taken(house, zalo):
    house.start()
    both = [{"event_name": "message.text.received", "message": _message(one)} for one in ("a", "b")]
    zalo.script("getUpdates", Scripted(200, json.dumps({"ok": True, "result": both}).encode()))
    house.poll()
    assert texts(house) == ["a", "b"]


def _message(text: str):
    who = {"id": "u1"}
    return {"message_id": text, "from": who, "chat": who | {"chat_type": "PRIVATE"}, "text": text}


@pytest.mark.parametrize("event", ["message.sticker.received", "message.unsupported.received"])
def test_stickers_and_the_unsupported_are_logged_only(house, zalo, event):
    house.start()
    zalo.happen(event, {"sticker": "s1"})
    house.poll()
    assert not house.inbox
    assert house.lines[-1][0] == "info"
    assert is_asking(house)


def test_a_photo_is_named_and_not_fetched(house, zalo):
    house.start()
    zalo.show("a cat")
    house.poll()
    [message] = house.inbox
    assert message.text == "a cat"
    assert message.photo_url == f"{zalo.url}/photos/cat.png"
    assert zalo.fetches == []


def test_the_same_message_again_is_a_duplicate_to_the_inbox(house, zalo):
    house.start()
    zalo.write("once", message_id="m1")
    zalo.write("once", message_id="m1")
    house.poll()
    house.poll()
    assert texts(house) == ["once"]


def test_what_the_inbox_does_not_take_waits_and_nothing_more_is_asked_for(house, zalo):
    house.start()
    zalo.write("first")
    house.inbox_error = FULL
    house.poll()
    assert not is_asking(house)
    assert house.alarms["resume/default"].after_ms == 5_000
    house.ring()
    assert house.alarms["resume/default"].after_ms == 10_000
    assert not is_asking(house)
    house.inbox_error = None
    house.ring()
    assert texts(house) == ["first"]
    assert is_asking(house)
    assert not [key for key in house.store if key.startswith("waiting/")]


def test_what_waits_survives_a_restart(house, zalo):
    house.start()
    zalo.write("first")
    house.inbox_error = FULL
    house.poll()
    house.plugin.stop("default")
    house.start()
    assert not is_asking(house)
    house.inbox_error = None
    house.ring()
    assert texts(house) == ["first"]


def test_what_the_inbox_will_never_take_does_not_hold_up_the_rest(house, zalo):
    house.start()
    zalo.write("first")
    house.inbox_error = NO_SUCH_ACCOUNT
    house.poll()
    house.inbox_error = None
    zalo.write("second")
    house.poll()
    assert texts(house) == ["second"]
    assert ("error", "a message to default is not taken: there is no such account") in house.lines


def test_an_answer_that_is_no_update_is_left_out(house, zalo):
    house.start()
    zalo.script("getUpdates", Scripted(200, b'{"ok": true, "result": {"x": 1}}'))
    house.poll()
    assert house.lines[-1][0] == "warn"
    assert is_asking(house)


TROUBLES = [
    Scripted.error(500, "oops"),
    Scripted(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
    Scripted.error(429, "slow down"),
    Scripted(200, b"garbage"),
    Scripted(manner="reset"),
    Scripted(200, b'{"ok": true', manner="cut"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_after_trouble_it_pauses_and_then_goes_on(house, zalo, trouble):
    house.start()
    zalo.script("getUpdates", trouble)
    house.poll()
    assert not is_asking(house)
    assert house.alarms["resume/default"].after_ms == 5_000
    zalo.write("still here")
    house.ring()
    assert seconds(house) == "1"
    house.poll()
    assert texts(house) == ["still here"]
    assert seconds(house) == "30"


def test_pauses_grow_and_have_an_end(house, zalo):
    house.start()
    zalo.script("getUpdates", *[Scripted.error(500)] * 6)
    waits = []
    for _ in range(6):
        house.poll()
        waits.append(house.alarms["resume/default"].after_ms)
        house.ring()
    assert waits == [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]


def test_one_failure_is_no_news_but_two_are_until_it_is_over(house, zalo):
    house.start()
    shown = len(house.statuses)
    zalo.script("getUpdates", Scripted.error(500), Scripted.error(500), Scripted.error(408))
    house.poll()
    assert len(house.statuses) == shown
    house.ring()
    house.poll()
    assert house.statuses[-1][1] == "degraded"
    house.ring()
    house.poll()
    assert house.statuses[-1][1] == "running"


def test_zalos_own_wish_for_a_pause_counts(house, zalo):
    house.start()
    zalo.script("getUpdates", Scripted.error(429, "slow", Retry_After="33"))
    house.poll()
    assert house.alarms["resume/default"].after_ms == 33_000


def test_a_token_that_is_not_good_any_more_is_shown_at_once(house, zalo):
    house.start()
    zalo.token = "1:other"
    house.poll()
    account, state, detail = house.statuses[-1]
    assert (account, state) == ("default", "degraded")
    assert "botToken" in detail


def test_what_somebody_must_mend_is_asked_less_often(house, zalo):
    house.start()
    zalo.token = "1:other"
    for _ in range(8):
        house.poll()
        house.ring()
    house.poll()
    assert house.alarms["resume/default"].after_ms == 300_000


def test_two_programs_at_one_bot_are_told_apart_in_words(house, zalo):
    house.start()
    first = threading.Thread(target=house.poll)
    first.start()
    zalo.await_calls("getUpdates", 1)
    zalo.answer("getUpdates", {"timeout": "0"}, "")
    first.join()
    assert "Another program" in house.statuses[-1][2]


def test_a_webhook_that_somebody_set_meanwhile_is_ended(house, zalo):
    house.start()
    zalo.webhook = ("https://elsewhere.example/", "x" * 8)
    house.poll()
    assert zalo.webhook is None
    assert not is_asking(house)
    house.ring()
    assert is_asking(house)


def test_a_gateway_without_network_pauses_too(house):
    house.start()
    house.hand_in(PortError("unreachable", "it is not there", retryable=True))
    assert not is_asking(house)
    house.ring()
    house.hand_in(PortError("timeout", "no answer", retryable=True, retry_after_ms=7_000))
    assert house.statuses[-1] == ("default", "degraded", "no answer")
    assert house.alarms["resume/default"].after_ms == 10_000


@pytest.mark.parametrize("payload", ["", "[]", "{}", '{"failures": -3}', '{"failures": "x"}'])
def test_a_payload_that_makes_no_sense_counts_as_none(house, payload):
    house.start()
    house.plugin.on_poll("updates/default", Answer(status=500, text=""), payload)
    assert json.loads(house.alarms["resume/default"].payload) == {"failures": 1}


def test_a_stopped_account_asks_no_more_and_takes_nothing(house, zalo):
    house.start()
    zalo.script("getUpdates", Scripted.error(500))
    house.poll()
    house.plugin.stop("default")
    assert not house.polls
    assert not house.alarms
    house.polls["updates/default"] = ("late", "")
    house.plugin.on_poll("updates/default", Answer(status=200, text="{}"), "")
    assert not house.polls
    house.plugin.on_timer("resume/default", "")
    assert not house.polls
    assert not house.alarms


def test_what_comes_while_it_stops_is_handed_in_at_the_next_start(house, zalo):
    house.start()
    zalo.write("just now")
    request, payload = house.polls["updates/default"]
    answer = house.fetch(request)
    house.plugin.stop("default")
    house.plugin.on_poll("updates/default", answer, payload)
    assert not house.inbox
    house.start()
    assert texts(house) == ["just now"]
    assert not [key for key in house.store if key.startswith("waiting/")]


def test_what_is_no_update_is_not_kept_while_it_stops(house):
    house.start()
    house.plugin.stop("default")
    for answer in (Answer(status=408, text=""), PortError("timeout", "no answer")):
        house.plugin.on_poll("updates/default", answer, "")
    assert house.store == {}


def test_a_start_without_network_asks_carefully(house, zalo):
    zalo.script("getMe", Scripted(502, b"<html>"))
    zalo.script("deleteWebhook", Scripted(manner="reset"))
    house.start()
    assert seconds(house) == "1"
    assert any(level == "warn" for level, _ in house.lines)


def test_a_start_with_a_bad_token_is_refused(house, zalo):
    zalo.token = "1:other"
    with pytest.raises(PortError, match="botToken"):
        house.start()
    assert not house.polls
    assert not house.store


def test_a_token_that_is_refused_only_at_the_second_call_is_refused_too(house, zalo):
    zalo.script("deleteWebhook", Scripted.error(401))
    with pytest.raises(PortError, match="botToken"):
        house.start()
    assert not house.store


def test_two_accounts_ask_for_themselves(house, zalo):
    house.accounts = ("default", "shop")
    house.start()
    house.start("shop")
    zalo.write("for the shop")
    house.poll("shop")
    assert [one.account for one in house.inbox] == ["shop"]


def test_a_start_anew_with_a_webhook_asks_no_more(house, zalo):
    house.start()
    house.start(webhookUrl="http://127.0.0.1:9/hook")
    assert not house.polls
    assert zalo.webhook is not None


def test_the_token_is_nowhere(house, zalo):
    house.start()
    zalo.script("getUpdates", *TROUBLES, Scripted.error(400, f"bad token {zalo.token}"))
    for _ in range(7):
        house.poll()
        house.ring()
    zalo.write("hello")
    house.poll()
    assert zalo.token not in house.said
    assert zalo.token not in repr(house.requests)
