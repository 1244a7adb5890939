"""Text that is not valid Unicode does not lose a message."""

from __future__ import annotations

from carapace.sessions.encoding import encoded, mended
from carapace.sessions.types import StoredMessage


def test_valid_messages_are_as_they_were():
    message = StoredMessage("m", "user", ({"type": "text", "text": "héllo 🦞"},), 1)
    assert encoded(message) == (message, message.encode())


def test_halves_that_meet_are_joined_and_lone_ones_replaced():
    parts = (
        {"type": "text", "text": "a \ud83e\udd9e b \ud83e"},
        {"type": "toolCall", "arguments": {"\udd9e": ["\udd9e", 1, None]}},
    )
    message = StoredMessage("m", "assistant", parts, 1, error_message="\ud800", details=("\ud800",))
    whole, body = encoded(message)
    assert whole.content == (
        {"type": "text", "text": "a 🦞 b \ufffd"},
        {"type": "toolCall", "arguments": {"\ufffd": ["\ufffd", 1, None]}},
    )
    assert (whole.error_message, whole.details) == ("\ufffd", ["\ufffd"])
    assert StoredMessage.decode("m", body) == whole


def test_what_is_no_text_is_left_alone():
    assert mended(None) is None
    assert mended(5) == 5
