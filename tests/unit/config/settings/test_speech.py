"""Nothing is spoken by itself, no service is chosen, and voices are no options."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.catalogue import find
from carapace.config.settings.speech import SpeechSettings


def test_nothing_is_spoken_and_nobody_is_chosen_by_default():
    settings = SpeechSettings()
    assert (settings.auto, settings.provider) == ("off", None)


@pytest.mark.parametrize("voice", ["--stdout", "../en", "en x", "", "a" * 65])
def test_a_voice_is_a_name_and_no_option(voice: str):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"espeak": {"voice": voice}}, SpeechSettings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"elevenlabs": {"voiceId": voice}}, SpeechSettings)


def test_keys_are_secrets():
    for name in ("openai", "elevenlabs"):
        field = find(("messages", "tts", name, "apiKey"))
        assert field is not None
        assert field.secret


def test_a_file_of_the_node_gateway_is_understood():
    given = {"auto": "inbound", "provider": "edge", "maxTextLength": 100_000}
    settings = msgspec.convert(given, SpeechSettings)
    assert (settings.auto, settings.provider) == ("inbound", "edge")
