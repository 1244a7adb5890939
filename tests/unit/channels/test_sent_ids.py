from __future__ import annotations

from carapace.channels import sent_ids
from carapace.channels.sent_ids import SentIds
from carapace.channels.types import Target


def at(conversation: str = "room", channel: str = "webhook", account: str = "default") -> Target:
    return Target(channel=channel, account=account, conversation=conversation)


def test_what_we_sent_is_known_where_we_sent_it_and_nowhere_else():
    ids = SentIds()
    ids.note(at(), "m1", now_ms=7)
    assert ids.of("webhook", "default", "room") == {"m1": 7}
    assert ids.of("webhook", "default", "other") == {}
    assert ids.of("webhook", "second", "room") == {}
    assert ids.of("telegram", "default", "room") == {}


def test_the_oldest_of_a_conversation_go_first():
    ids = SentIds()
    for number in range(sent_ids._MAX_EACH + 1):
        ids.note(at(), f"m{number}", now_ms=number)
    found = ids.of("webhook", "default", "room")
    assert len(found) == sent_ids._MAX_EACH
    assert "m0" not in found


def test_conversations_are_bounded_the_longest_silent_goes_first():
    ids = SentIds()
    ids.note(at("first"), "m", now_ms=0)
    for number in range(sent_ids._MAX_CONVERSATIONS - 1):
        ids.note(at(f"c{number}"), "m", now_ms=1)
    ids.note(at("first"), "m", now_ms=2)
    ids.note(at("one more"), "m", now_ms=3)
    assert ids.of("webhook", "default", "first") == {"m": 2}
    assert ids.of("webhook", "default", "c0") == {}
