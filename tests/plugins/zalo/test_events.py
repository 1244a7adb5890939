"""Updates are read as Zalo sends them, and whatever else comes does no harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from carapace_zalo.accounts import Account
from carapace_zalo.events import NotAnUpdate, Skipped, parse_update
from carapace_zalo.ports import Message
from hypothesis import given
from hypothesis import strategies as st

TEXT = "message.text.received"
BOT = Account(name="default", token_name="default/botToken", bot_id="99", bot_name="bot.carapace")


def update(event: str = "message.text.received", /, **changes: Any) -> dict[str, Any]:
    message = {
        "message_id": "m1",
        "from": {"id": "u1", "display_name": "Linh", "is_bot": False},
        "chat": {"id": "c1", "chat_type": "PRIVATE"},
        "date": 1_760_000_000_123,
        "text": "Xin chào",
    }
    return {"event_name": event, "message": message | changes}


def read(value: object) -> Message:
    message = parse_update(value, BOT)
    assert isinstance(message, Message)
    return message


def test_a_text_is_read_whole():
    assert read(update()) == Message(
        account="default",
        message_id="m1",
        conversation_id="c1",
        is_group=False,
        sender_id="u1",
        sender_name="Linh",
        text="Xin chào",
        sent_at_ms=1_760_000_000_123.0,
    )


def test_a_wrapped_update_is_the_same():
    assert read({"ok": True, "result": update()}) == read(update())


def test_a_photo_has_its_address_and_its_caption_as_text():
    sent = update("message.image.received", photo_url="https://p.zdn.vn/1.jpg", caption="look")
    assert (read(sent).photo_url, read(sent).text) == ("https://p.zdn.vn/1.jpg", "look")


def test_a_photo_needs_no_caption_and_its_address_may_be_called_photo():
    sent = update("message.image.received", photo="https://p.zdn.vn/1.jpg")
    assert (read(sent).photo_url, read(sent).text) == ("https://p.zdn.vn/1.jpg", "")


@pytest.mark.parametrize("photo", ["file:///etc/passwd", "", 7, "https://x/" + "a" * 9_000])
def test_an_address_that_is_none_is_left_out(photo):
    assert parse_update(update("message.image.received", photo=photo), BOT) == Skipped(
        "it has neither text nor a photo"
    )


@pytest.mark.parametrize(
    "event", ["message.sticker.received", "message.unsupported.received", "message.video.received"]
)
def test_other_events_are_only_worth_a_line(event):
    assert isinstance(parse_update(update(event), BOT), Skipped)


@pytest.mark.parametrize(
    "value", [None, [], 7, "x", {}, {"result": 7}, {"event_name": ""}, {"event_name": 7}]
)
def test_what_has_no_event_name_is_no_update(value):
    with pytest.raises(NotAnUpdate):
        parse_update(value, BOT)


@pytest.mark.parametrize(
    ("date", "sent_at_ms"),
    [
        (1_760_000_000, 1_760_000_000_000.0),
        (1_760_000_000_123, 1_760_000_000_123.0),
        (1e12, 1e12),
        ("1760000000", None),
        (True, None),
        (-5, None),
        (0, None),
        (10**400, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_times_are_milliseconds_or_seconds(date, sent_at_ms):
    assert read(update(date=date)).sent_at_ms == sent_at_ms


@pytest.mark.parametrize(
    ("chat_type", "is_group"),
    [("PRIVATE", False), ("private", False), ("GROUP", True), ("CHANNEL", True), (None, True)],
)
def test_only_a_chat_that_says_so_is_private(chat_type, is_group):
    assert read(update(chat={"id": "c1", "chat_type": chat_type})).is_group is is_group


def test_ids_are_opaque():
    ids = {"id": "5b6f0c2d9e1a4b7c8d3e"}
    assert read(update(TEXT, **{"from": ids})).sender_id == "5b6f0c2d9e1a4b7c8d3e"
    assert read(update(message_id=42)).message_id == "42"


@pytest.mark.parametrize(
    "broken",
    [
        {"message_id": None},
        {"message_id": ""},
        {"message_id": True},
        {"message_id": "a b"},
        {"message_id": "a\nb"},
        {"message_id": "x" * 300},
        {"message_id": 10**4000},
        {"from": {}},
        {"from": "u1"},
        {"chat": {"chat_type": "PRIVATE"}},
        {"text": " \n "},
        {"text": 7},
        {"from": {"id": "99"}},
    ],
)
def test_what_lacks_something_or_is_our_own_is_skipped(broken):
    assert isinstance(parse_update(update(**broken), BOT), Skipped)


def test_an_update_without_message_is_skipped():
    assert parse_update({"event_name": "message.text.received"}, BOT) == Skipped(
        "it has no message"
    )


def test_a_sender_may_be_called_by_either_name_or_none():
    assert read(update(TEXT, **{"from": {"id": "u1", "name": "An"}})).sender_name == "An"
    assert read(update(TEXT, **{"from": {"id": "u1"}})).sender_name is None


def test_another_bot_says_that_it_is_one():
    assert read(update(TEXT, **{"from": {"id": "u1", "is_bot": True}})).sender_is_bot
    assert not read(update(TEXT, **{"from": {"id": "u1", "is_bot": "yes"}})).sender_is_bot


@pytest.mark.parametrize(
    ("text", "is_meant"),
    [
        ("@bot.carapace hi", True),
        ("hi @BOT.Carapace!", True),
        ("@bot.carapaces hi", False),
        ("mail me@bot.carapace", False),
        ("bot.carapace hi", False),
        ("@botXcarapace", False),
    ],
)
def test_the_bot_is_meant_when_its_name_stands_there(text, is_meant):
    assert read(update(text=text)).mentions_us is is_meant


def test_a_bot_without_known_name_is_never_meant():
    unknown = Account(name="default", token_name="t")
    message = parse_update(update(text="@bot.carapace"), unknown)
    assert isinstance(message, Message)
    assert not message.mentions_us


def test_half_a_character_does_not_get_through():
    read(update(text="a\ud800b")).text.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["message_id", "from", "chat", "date", "text", "photo", "photo_url", "caption"])
    | st.text(max_size=4),
    JSON | st.fixed_dictionaries({"id": JSON}, optional={"chat_type": JSON, "display_name": JSON}),
)
EVENTS = st.sampled_from(
    ["message.text.received", "message.image.received", "message.sticker.received", "x"]
)


@given(EVENTS, FIELDS)
def test_no_update_breaks_the_reader(event, fields):
    message = parse_update({"event_name": event, "message": fields}, BOT)
    if isinstance(message, Skipped):
        assert message.why
        return
    assert message.message_id
    assert message.sender_id
    assert message.conversation_id
    assert message.text.strip() or message.photo_url
    json.dumps(message.text, ensure_ascii=False).encode()


@given(JSON)
def test_no_value_breaks_the_reader(value):
    try:
        found = parse_update(value, BOT)
    except NotAnUpdate:
        return
    assert isinstance(found, Skipped | Message)
