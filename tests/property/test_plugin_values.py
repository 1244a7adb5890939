"""Whatever a guest says about its channel and its sends is a value of ours, or refused."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from carapace.channels.plugin.wire import channel_info, outcome_of
from carapace.channels.types import ChannelInfo, Dead, Delivered, RetryAfter, Unknown
from carapace.errors import Refused
from carapace.plugins.guest import MAX_SAID_CHARS, said
from support.plugin_channel import ABOUT

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
TAGS = st.sampled_from(["delivered", "retry-after", "dead", "unknown", "other"])
ERROR = st.fixed_dictionaries(
    {
        "code": st.text(max_size=20),
        "message": st.text(max_size=1_000),
        "retryable": st.booleans(),
        "retry_after_ms": st.none() | st.integers(0, 2**32 - 1),
    }
)


@given(PLAIN | st.fixed_dictionaries({"tag": TAGS, "value": PLAIN | ERROR}))
def test_any_answer_to_a_send_is_an_outcome_that_can_be_kept(value):
    outcome = outcome_of(value)
    assert isinstance(outcome, Delivered | RetryAfter | Dead | Unknown)
    if not isinstance(outcome, Delivered):
        assert outcome.reason
        assert len(outcome.reason) < 2_000
    msgspec.json.encode(outcome)


@given(PLAIN | st.fixed_dictionaries({name: st.just(one) | PLAIN for name, one in ABOUT.items()}))
def test_any_description_is_a_channel_or_refused(value):
    with contextlib.suppress(Refused):
        info = channel_info(value, "parrot")
        assert isinstance(info, ChannelInfo)
        assert info.id == "parrot"
        assert info.max_text > 0
        assert info.label.strip()
        assert info.chat_types


@given(st.text(max_size=2_000))
def test_words_of_a_guest_never_leave_their_line(text):
    shown = said(text)
    assert len(shown) <= MAX_SAID_CHARS
    assert not shown or len(shown.splitlines()) == 1
