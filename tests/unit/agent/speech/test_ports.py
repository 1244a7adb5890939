"""A recording says what it is."""

from __future__ import annotations

from carapace.agent.speech.ports import Spoken


def test_a_recording_is_no_voice_message_unless_said():
    assert not Spoken(b"x", "wav").is_voice
