"""Services that speak, asked in their own format, with their errors as reasons."""

from __future__ import annotations

import pytest

from carapace.agent.speech import web
from carapace.agent.speech.ports import NotSpoken
from carapace.agent.speech.web import ElevenLabsEngine, OpenAiEngine, Source
from carapace.config.settings.speech import ElevenLabsSettings, OpenAiSpeechSettings
from support.providers import plain_client
from support.speech import FakeSpeechServer, speech_server

KEY = "sk-planted-0123456789"


def openai(server: FakeSpeechServer, key: str | None = KEY) -> OpenAiEngine:
    source = Source(f"{server.url}/v1/", key)
    return OpenAiEngine(OpenAiSpeechSettings, lambda: source, plain_client)


def elevenlabs(server: FakeSpeechServer, voice: str | None = "v1") -> ElevenLabsEngine:
    source = Source(server.url, KEY)
    settings = ElevenLabsSettings(voice_id=voice)
    return ElevenLabsEngine(lambda: settings, lambda: source, plain_client)


@pytest.mark.parametrize(("as_voice", "form"), [(False, "mp3"), (True, "opus")])
async def test_openai_is_asked_with_its_key(as_voice: bool, form: str):
    async with speech_server() as server:
        spoken = await openai(server).speak("hi", as_voice=as_voice, timeout_s=5)
    ((path, headers, body),) = server.asked
    assert path == "/v1/audio/speech"
    assert headers["authorization"] == f"Bearer {KEY}"
    expected = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "hi"}
    assert body == {**expected, "response_format": form}
    assert (spoken.data, spoken.format, spoken.is_voice) == (server.body, form, as_voice)


async def test_a_server_of_ones_own_needs_no_key():
    async with speech_server() as server:
        engine = openai(server, None)
        assert engine.trouble() is None
        await engine.speak("hi", as_voice=False, timeout_s=5)
    assert "authorization" not in server.asked[0][1]


@pytest.mark.parametrize(("as_voice", "form"), [(False, "mp3_44100_128"), (True, "opus_48000_64")])
async def test_elevenlabs_is_asked_for_a_voice(as_voice: bool, form: str):
    async with speech_server() as server:
        spoken = await elevenlabs(server).speak("hi", as_voice=as_voice, timeout_s=5)
    ((path, headers, body),) = server.asked
    assert path == f"/v1/text-to-speech/v1?output_format={form}"
    assert headers["xi-api-key"] == KEY
    assert body == {"text": "hi", "model_id": "eleven_multilingual_v2"}
    assert spoken.format == form


async def test_without_a_key_or_a_voice_nobody_is_asked():
    async with speech_server() as server:
        no_key = OpenAiEngine(OpenAiSpeechSettings, lambda: Source(None, None), plain_client)
        nobody = ElevenLabsEngine(ElevenLabsSettings, lambda: Source(None, None), plain_client)
        for engine, says in (
            (no_key, "OPENAI_API_KEY"),
            (nobody, "ELEVENLABS_API_KEY"),
            (elevenlabs(server, None), "voiceId"),
        ):
            assert says in str(engine.trouble())
            with pytest.raises(NotSpoken, match=says):
                await engine.speak("hi", as_voice=False, timeout_s=5)
    assert server.asked == []


async def test_a_refusal_is_told_without_the_key():
    async with speech_server() as server:
        server.status = 401
        with pytest.raises(NotSpoken, match="HTTP 401: told to fail"):
            await openai(server).speak("hi", as_voice=False, timeout_s=5)
        server.status, server.body = 200, b""
        with pytest.raises(NotSpoken, match="no recording"):
            await elevenlabs(server).speak("hi", as_voice=False, timeout_s=5)


async def test_too_long_a_recording_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(web, "MAX_AUDIO_BYTES", 3)
    async with speech_server() as server:
        with pytest.raises(NotSpoken, match="too long"):
            await openai(server).speak("hi", as_voice=False, timeout_s=5)


async def test_a_server_that_is_not_there_is_told():
    async with speech_server() as server:
        engine = openai(server)
    with pytest.raises(NotSpoken, match="Cannot reach"):
        await engine.speak("hi", as_voice=False, timeout_s=5)
    with pytest.raises(NotSpoken, match="within 0 s"):
        await engine.speak("hi", as_voice=False, timeout_s=0)
