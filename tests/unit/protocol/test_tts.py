"""Recordings on the wire."""

from __future__ import annotations

import msgspec

from carapace.protocol.tts import TtsConverted, TtsEngine


def test_names_are_those_of_the_node_gateway():
    made = TtsConverted(
        audio_path="/a", media_id="m-1", provider="p", output_format="wav", voice_compatible=False
    )
    assert set(msgspec.to_builtins(made)) == {
        *("audioPath", "mediaId", "provider", "outputFormat", "voiceCompatible")
    }
    engine = TtsEngine(id="a", name="A", configured=False, models=())
    told = {"id": "a", "name": "A", "configured": False, "models": []}
    assert msgspec.json.decode(msgspec.json.encode(engine)) == told
