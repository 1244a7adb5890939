"""What is sent arrives once, and its outcome is true."""

from __future__ import annotations

import unicodedata

import pytest
from carapace_zalo.ports import PortError
from carapace_zalo.sending import (
    MAX_TEXT,
    REPEAT_NOTE,
    Delivered,
    NotDelivered,
    Outgoing,
    length,
    outcome_of_error,
)

from support.zalo_server import Scripted


@pytest.fixture
def running(house):
    house.start()
    house.files = {"cat": "image/png", "dog": "image/jpeg", "paper": "application/pdf"}
    return house


def text(house, written="hello", **more):
    outgoing = Outgoing(account="default", conversation_id="c1", text=written, **more)
    return house.plugin.sending.text(outgoing)


def photos(house, *media, written="", key="k1", **more):
    outgoing = Outgoing(
        account="default",
        conversation_id="c1",
        text=written,
        media=media,
        idempotency_key=key,
        **more,
    )
    return house.plugin.sending.photos(outgoing)


def kind(outcome) -> str:
    return outcome.kind if isinstance(outcome, NotDelivered) else "delivered"


def test_a_text_arrives(running, zalo):
    outcome = text(running)
    assert isinstance(outcome, Delivered)
    assert outcome.message_id
    assert zalo.called("sendMessage") == [{"chat_id": "c1", "text": "hello"}]


@pytest.mark.parametrize(
    ("written", "units"),
    [
        ("a", 1),
        ("é", 1),
        (unicodedata.normalize("NFD", "ế"), 3),
        ("😀", 2),
        ("👨‍👩‍👧", 8),
    ],
)
def test_length_is_counted_in_utf16_units(written, units):
    assert length(written) == units


@pytest.mark.parametrize("char", ["a", "ế", unicodedata.normalize("NFD", "ế"), "😀"])
def test_the_longest_text_is_taken_by_zalo_too(running, zalo, char):
    longest = char * (MAX_TEXT // length(char))
    assert kind(text(running, longest)) == "delivered"
    assert kind(text(running, longest + char)) == "dead"
    assert len(zalo.called("sendMessage")) == 1


@pytest.mark.parametrize("written", ["", " \n"])
def test_no_text_is_no_message(running, zalo, written):
    assert kind(text(running, written)) == "dead"
    assert not zalo.called("sendMessage")


def test_what_may_be_a_repeat_says_so(running, zalo):
    text(running, may_be_repeat=True)
    assert zalo.called("sendMessage")[0]["text"] == f"{REPEAT_NOTE}\nhello"


def test_a_long_repeat_is_announced_before(running, zalo):
    text(running, "x" * MAX_TEXT, may_be_repeat=True)
    first, second = zalo.called("sendMessage")
    assert first["text"] == REPEAT_NOTE
    assert second["text"] == "x" * MAX_TEXT


def test_a_long_repeat_whose_note_does_not_arrive_is_not_sent(running, zalo):
    zalo.script("sendMessage", Scripted.error(429))
    assert kind(text(running, "x" * MAX_TEXT, may_be_repeat=True)) == "retry-after"
    assert len(zalo.called("sendMessage")) == 1


OUTCOMES = [
    (Scripted.error(400, "chat not found"), "dead"),
    (Scripted.error(401), "dead"),
    (Scripted.error(403), "dead"),
    (Scripted.error(404), "dead"),
    (Scripted.error(408), "retry-after"),
    (Scripted.error(429), "retry-after"),
    (Scripted.error(503), "retry-after"),
    (Scripted(503, b"<html>busy</html>"), "retry-after"),
    (Scripted.error(500), "unknown"),
    (Scripted(502, b"<html>bad gateway</html>"), "unknown"),
    (Scripted(200, b"<html>hello</html>"), "unknown"),
    (Scripted(200, b'{"ok": true', manner="cut"), "unknown"),
    (Scripted(manner="reset"), "unknown"),
    (Scripted(200, b'{"ok": false, "error_code": 429}'), "retry-after"),
    (Scripted(200, b'{"ok": true, "result": 7}'), "delivered"),
]


@pytest.mark.parametrize(("answer", "expected"), OUTCOMES)
def test_the_outcome_is_true_whatever_zalo_does(running, zalo, answer, expected):
    zalo.script("sendMessage", answer)
    outcome = text(running)
    assert kind(outcome) == expected
    if isinstance(outcome, NotDelivered):
        assert len(outcome.error.message) > 10
        assert zalo.token not in repr(vars(outcome.error))
    assert len(zalo.called("sendMessage")) == 1
    assert kind(text(running)) == "delivered"


def test_how_long_to_wait_is_told(running, zalo):
    zalo.script("sendMessage", Scripted.error(429, "slow", Retry_After="9"))
    outcome = text(running)
    assert isinstance(outcome, NotDelivered)
    assert outcome.error.retry_after_ms == 9_000


def test_a_service_that_never_answers_leaves_it_unknown(running, zalo, monkeypatch):
    monkeypatch.setattr("carapace_zalo.sending.SEND_TIMEOUT_MS", 100)
    zalo.script("sendMessage", Scripted(manner="hang"))
    assert kind(text(running)) == "unknown"
    zalo.calm()


@pytest.mark.parametrize(
    ("code", "retryable", "expected"),
    [
        ("unreachable", True, "unknown"),
        ("timeout", True, "unknown"),
        ("bad-answer", False, "unknown"),
        ("too-large", False, "unknown"),
        ("internal", False, "unknown"),
        ("unavailable", True, "retry-after"),
        ("refused", False, "dead"),
        ("refused", True, "retry-after"),
        ("not-configured", False, "dead"),
    ],
)
def test_only_what_surely_was_not_sent_is_called_so(code, retryable, expected):
    assert outcome_of_error(PortError(code, "why", retryable=retryable)).kind == expected


def test_an_account_that_does_not_run_sends_later(house):
    assert kind(text(house)) == "retry-after"
    assert kind(photos(house, "cat")) == "retry-after"


def test_a_photo_goes_by_its_link_with_the_text(running, zalo):
    assert kind(photos(running, "cat", written="look")) == "delivered"
    [sent] = zalo.called("sendPhoto")
    assert sent == {
        "chat_id": "c1",
        "photo": "https://gateway.example/media/cat-1",
        "caption": "look",
    }


def test_a_link_lives_for_an_hour(running):
    photos(running, "cat")
    assert running.links == [("cat", 3_600_000)]


def test_several_photos_have_the_text_once(running, zalo):
    photos(running, "cat", "dog", written="both")
    assert [one.get("caption") for one in zalo.called("sendPhoto")] == ["both", None]


def test_a_second_attempt_sends_only_what_is_missing(running, zalo):
    zalo.script("sendPhoto", Scripted(200, b'{"ok": true}'), Scripted.error(503))
    assert kind(photos(running, "cat", "dog", written="both")) == "retry-after"
    assert kind(photos(running, "cat", "dog", written="both")) == "delivered"
    sent = [one["photo"].rpartition("/")[2].partition("-")[0] for one in zalo.called("sendPhoto")]
    assert sent == ["cat", "dog", "dog"]
    assert "caption" not in zalo.called("sendPhoto")[-1]


def test_a_photo_that_may_be_a_repeat_says_so(running, zalo):
    photos(running, "cat", may_be_repeat=True)
    assert zalo.called("sendPhoto")[0]["caption"] == REPEAT_NOTE


def test_a_long_caption_that_may_be_a_repeat_is_announced_before(running, zalo):
    zalo.script("sendMessage", Scripted.error(500))
    assert kind(photos(running, "cat", written="x" * MAX_TEXT, may_be_repeat=True)) == "unknown"
    assert not zalo.called("sendPhoto")


@pytest.mark.parametrize("media", ["paper", "gone"])
def test_what_is_no_photo_cannot_be_sent(running, zalo, media):
    assert kind(photos(running, "cat", media)) == "dead"
    assert not zalo.called("sendPhoto")


def test_a_caption_has_the_same_limit(running, zalo):
    assert kind(photos(running, "cat", written="x" * (MAX_TEXT + 1))) == "dead"
    assert not zalo.called("sendPhoto")


def test_typing_is_shown(running, zalo):
    running.plugin.sending.typing("default", "c1")
    assert zalo.called("sendChatAction") == [{"chat_id": "c1", "action": "typing"}]


def test_typing_that_is_not_shown_is_no_trouble(running, zalo):
    zalo.script("sendChatAction", Scripted.error(400))
    running.plugin.sending.typing("default", "c1")
    assert running.lines[-1][0] == "debug"
