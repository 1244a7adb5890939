"""`voicewake.*` on the wire."""

from __future__ import annotations

import msgspec

from carapace.protocol.voicewake import VoiceWake, VoiceWakeSet


def test_the_words_are_a_list() -> None:
    assert msgspec.json.encode(VoiceWake(("a", "b"))) == b'{"triggers":["a","b"]}'


def test_anything_can_be_given_so_that_the_refusal_has_its_own_words() -> None:
    assert msgspec.convert({}, VoiceWakeSet).triggers is None
    assert msgspec.convert({"triggers": 3, "more": 1}, VoiceWakeSet).triggers == 3
