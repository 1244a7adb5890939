"""`tts.*` as clients call it."""

from __future__ import annotations

import pytest

from carapace.errors import Refused
from carapace.methods.tts import METHODS
from carapace.protocol.scopes import Scope
from support.methods import FakeCall, method_house
from support.server import make_caller


async def test_speaking_is_switched_chosen_and_reported():
    async with method_house() as house:
        assert (await house.call("tts.status"))["enabled"] is False
        assert await house.call("tts.enable") == {"enabled": True}
        assert (await house.call("tts.status"))["auto"] == "always"
        assert await house.call("tts.disable") == {"enabled": False}
        assert await house.call("tts.setProvider", {"provider": "openai"}) == {"provider": "openai"}
        assert (await house.call("tts.providers"))["active"] == "openai"


async def test_a_recording_is_told_by_path_to_administrators_and_by_id_to_others():
    writer = FakeCall(make_caller(scopes=("operator.write",)))
    async with method_house() as house:
        told = await house.call("tts.convert", {"text": "Hello.", "surprise": 1})
        other = await house.call("tts.convert", {"text": "Hello."}, writer)
    assert told["audioPath"].endswith(f"/{told['mediaId'][2:4]}/{told['mediaId']}")
    assert other["audioPath"] == other["mediaId"]
    assert (told["provider"], told["outputFormat"]) == ("piper", "wav")
    assert told["voiceCompatible"] is False


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("tts.convert", {}, "^tts.convert requires text$"),
        ("tts.convert", {"text": 5}, "^tts.convert requires text$"),
        ("tts.setProvider", {"provider": "nope"}, "^Invalid provider. Use openai, elevenlabs, "),
        ("tts.setProvider", {}, "^Invalid provider."),
        ("tts.setProvider", {"provider": "edge"}, "not offered"),
    ],
)
async def test_what_makes_no_sense_is_refused(method: str, params: dict[str, object], says: str):
    async with method_house() as house:
        with pytest.raises(Refused, match=says):
            await house.call(method, params)


def test_looking_needs_reading_and_the_rest_writing():
    scopes = {name: row.scope for name, row in METHODS.items()}
    reading = {name for name, scope in scopes.items() if scope is Scope.READ}
    assert reading == {"tts.status", "tts.providers"}
    assert {scope for name, scope in scopes.items() if name not in reading} == {Scope.WRITE}
