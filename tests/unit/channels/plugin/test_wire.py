from __future__ import annotations

import pytest

from carapace.channels.plugin.wire import (
    channel_info,
    outcome_of,
    outgoing_record,
    target_record,
)
from carapace.channels.types import (
    ChatType,
    Dead,
    Delivered,
    LengthUnit,
    Outgoing,
    RetryAfter,
    Target,
    Unknown,
)
from carapace.errors import Refused
from support.plugin_channel import ABOUT

TARGET = Target(channel="parrot", account="a", conversation="c", thread_id="t")


def error(**more):
    return {"code": "c", "message": "m", "retryable": False, "retry_after_ms": None, **more}


def test_all_that_a_plugin_says_of_its_channel_is_kept():
    info = channel_info(ABOUT, "parrot")
    assert (info.label, info.order, info.aliases) == ("Parrot", 70, ("polly",))
    assert (info.max_text, info.unit) == (2_000, LengthUnit.UTF16)
    assert info.chat_types == {ChatType.DIRECT, ChatType.GROUP, ChatType.CHANNEL}
    assert info.can_look_up
    assert info.can_type
    assert info.markdown
    assert not info.tables
    assert not info.drops_repeats


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"id": "webchat"}, "webchat"),
        ({"label": " \n"}, "label"),
        ({"max_text": 0}, "room"),
        ({"chat_types": []}, "nowhere"),
        ({"chat_types": ["unknown"]}, "describes no channel"),
        ({"unit": "words"}, "describes no channel"),
        ({"features": ["root"]}, "describes no channel"),
    ],
)
def test_what_makes_no_sense_is_no_channel(change, word):
    with pytest.raises(Refused, match=word):
        channel_info({**ABOUT, **change}, "parrot")


def test_something_else_is_no_channel():
    with pytest.raises(Refused, match="parrot"):
        channel_info(None, "parrot")


def test_what_is_sent_has_the_names_of_the_contract():
    sent = outgoing_record(
        Outgoing(
            target=TARGET,
            idempotency_key="k",
            text="hi",
            media=("m",),
            reply_to="r",
            about_message_id="b",
            may_be_repeat=True,
            attempt=2,
        )
    )
    assert sent == {
        "target": {"account": "a", "conversation_id": "c", "thread_id": "t"},
        "text": "hi",
        "media": ["m"],
        "reply_to": "r",
        "about_message_id": "b",
        "idempotency_key": "k",
        "may_be_repeat": True,
        "attempt": 2,
    }
    assert sent["target"] == target_record(TARGET)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ({"tag": "delivered", "value": "1"}, Delivered(message_id="1")),
        ({"tag": "delivered", "value": None}, Delivered()),
        ({"tag": "delivered", "value": ""}, Delivered()),
        ({"tag": "delivered", "value": "x" * 5_000}, Delivered()),
        ({"tag": "dead", "value": error()}, Dead(reason="m")),
        ({"tag": "dead", "value": error(message="")}, Dead(reason="c")),
        ({"tag": "retry-after", "value": error()}, RetryAfter(reason="m")),
        (
            {"tag": "retry-after", "value": error(retry_after_ms=1500)},
            RetryAfter(reason="m", after_s=1.5),
        ),
        ({"tag": "unknown", "value": error()}, Unknown(reason="m")),
    ],
)
def test_an_outcome_is_what_the_guest_says(value, outcome):
    assert outcome_of(value) == outcome


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {},
        {"tag": "sent"},
        {"tag": "delivered", "value": 7},
        {"tag": "dead", "value": None},
    ],
)
def test_an_answer_without_sense_leaves_it_unknown(value):
    assert isinstance(outcome_of(value), Unknown)


def test_a_reason_is_never_empty():
    outcome = outcome_of({"tag": "dead", "value": error(message="", code="")})
    assert isinstance(outcome, Dead)
    assert outcome.reason
