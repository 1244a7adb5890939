from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from carapace.channels.callbacks import CallbackPlace, CallbackRefusal, CallbackTokens, Pressed
from carapace.channels.policy import Accept
from carapace.channels.types import EventKind
from carapace.provenance import Authority, Origin, Provenance
from support.chat_people import said

TOKENS = CallbackTokens(b"k" * 32)
PLACE = CallbackPlace(channel="webhook", account="default", conversation="room", sender_id="alice")
NOW = 1_790_000_000_000
LATER = NOW + 60_000


def pressed(authority: Authority = Authority.PAIRED, **event: Any) -> Accept:
    message = said("", kind=EventKind.CALLBACK, **event)
    return Accept(
        message=message, provenance=Provenance(origin=Origin.CHANNEL, authority=authority)
    )


def mint(action: str = "approve.7", **rest: Any) -> str:
    given: dict[str, Any] = {"expires_at_ms": LATER, **rest}
    return TOKENS.mint(action, PLACE, **given)


def test_a_button_does_what_it_says_for_whom_it_was_made():
    assert TOKENS.check(mint(), pressed(), now_ms=NOW) == Pressed(action="approve.7")


def test_a_button_is_short():
    assert len(mint("x" * 30)) == 64


@pytest.mark.parametrize(
    "event",
    [{"sender": "mallory"}, {"where": "other"}, {"channel": "telegram"}, {"account": "two"}],
)
def test_elsewhere_or_by_others_it_is_forged(event: dict[str, Any]):
    assert TOKENS.check(mint(), pressed(**event), now_ms=NOW) is CallbackRefusal.FORGED


def test_it_expires():
    assert TOKENS.check(mint(), pressed(), now_ms=LATER - 1) == Pressed(action="approve.7")
    assert TOKENS.check(mint(), pressed(), now_ms=LATER) is CallbackRefusal.EXPIRED


def test_who_has_lost_the_authority_since_is_refused():
    token = mint(needs=Authority.OWNER)
    assert TOKENS.check(token, pressed(), now_ms=NOW) is CallbackRefusal.AUTHORITY
    owner = pressed(Authority.OWNER)
    assert TOKENS.check(token, owner, now_ms=NOW) == Pressed(action="approve.7")


def test_fields_do_not_run_into_each_other():
    place = replace(PLACE, conversation="roomalice", sender_id="")
    token = TOKENS.mint("a", place, expires_at_ms=LATER)
    assert TOKENS.check(token, pressed(), now_ms=NOW) is CallbackRefusal.FORGED


@pytest.mark.parametrize(
    "token",
    ["", "a", "...", "1.1.x", "zz.3.mac.a", "1.99.mac.a", "1.x.mac.a", "1.3.\ud800.a", "9" * 2_000],
)
def test_junk_is_forged(token: str):
    assert TOKENS.check(token, pressed(), now_ms=NOW) is CallbackRefusal.FORGED


@given(at=st.integers(min_value=0, max_value=40), given_char=st.characters(codec="ascii"))
def test_no_character_can_be_changed(at: int, given_char: str):
    token = mint()
    changed = token[:at] + given_char + token[at + 1 :]
    is_same_time = at < 8 and changed.lower() == token.lower()  # hex in either case
    expected = changed == token or is_same_time
    assert isinstance(TOKENS.check(changed, pressed(), now_ms=NOW), Pressed) is expected


def test_another_key_makes_other_tokens():
    other = CallbackTokens(b"j" * 32)
    assert other.check(mint(), pressed(), now_ms=NOW) is CallbackRefusal.FORGED


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        CallbackTokens(b"k" * 31)
