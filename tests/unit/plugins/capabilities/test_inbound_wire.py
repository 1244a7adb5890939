"""What a plugin tells of is bounded and complete."""

from __future__ import annotations

import msgspec
import pytest

from carapace.plugins.capabilities.inbound_wire import InboundEvent
from support.capabilities import EVENT


def test_an_event_is_read():
    event = msgspec.convert(EVENT, InboundEvent)
    assert (event.text, event.sent_at_ms) == ("hello", 1_700_000_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"account": ""},
        {"account": "a/b"},
        {"account": "a\n"},
        {"message_id": ""},
        {"sender_id": ""},
        {"conversation_id": "x" * 1025},
        {"kind": "typing"},
        {"text": "x" * 262_145},
        {"sent_at_ms": -1},
        {"sent_at_ms": float("nan")},
        {"attachments": [{"url": "u", "handle": None}]},
        {"owner": True},
    ],
)
def test_nonsense_is_refused(change):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**EVENT, **change}, InboundEvent)
