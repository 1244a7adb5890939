"""Who speaks: chosen, set, or found; and nothing that was to stay here goes out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from carapace.agent.speech.choice import Choices
from carapace.agent.speech.service import Speech
from carapace.config.settings.speech import SpeechSettings
from carapace.errors import Failed, Refused
from carapace.media.store import MediaStore
from support.clock import FakeClock
from support.database import memory_database
from support.media import media_store
from support.speech import Parrot, wav


@dataclass
class House:
    speech: Speech
    store: MediaStore
    piper: Parrot
    espeak: Parrot
    openai: Parrot
    elevenlabs: Parrot
    settings: SpeechSettings


@asynccontextmanager
async def house(tmp_path: Path, settings: SpeechSettings | None = None) -> AsyncGenerator[House]:
    clock = FakeClock()
    birds = (Parrot("piper"), Parrot("espeak-ng"), Parrot("openai"), Parrot("elevenlabs"))
    chosen = settings or SpeechSettings()
    async with (
        memory_database() as database,
        media_store(tmp_path, database, clock) as store,
    ):
        speech = Speech(
            birds,
            lambda: chosen,
            choices=Choices(database, clock),
            store=store,
            media_root=tmp_path / "media",
            prefs_path="carapace.db",
        )
        yield House(speech, store, *birds, chosen)


async def test_the_first_that_can_speaks_unless_somebody_chose(tmp_path: Path):
    async with house(tmp_path) as made:
        assert await made.speech.provider() == "piper"
        made.piper.why = "no voice"
        assert await made.speech.provider() == "espeak-ng"
        assert await made.speech.choose(" OpenAI ") == "openai"
        assert await made.speech.provider() == "openai"
        for bird in (made.espeak, made.openai, made.elevenlabs):
            bird.why = "no"
        assert await made.speech.provider() == "openai"


async def test_the_settings_choose_where_nobody_else_did(tmp_path: Path):
    settings = SpeechSettings(provider="elevenlabs", auto="always")
    async with house(tmp_path, settings) as made:
        assert await made.speech.provider() == "elevenlabs"
        assert await made.speech.is_automatic()
        await made.speech.set_automatic(is_on=False)
        assert not await made.speech.is_automatic()


async def test_what_only_the_node_gateway_has_counts_as_not_said(tmp_path: Path):
    settings = SpeechSettings(auto="tagged", provider="edge")
    async with house(tmp_path, settings) as made:
        assert await made.speech.provider() == "piper"
        assert not await made.speech.is_automatic()


@pytest.mark.parametrize(("name", "says"), [("edge", "not offered"), ("nope", "Invalid provider")])
async def test_nobody_else_can_be_chosen(tmp_path: Path, name: str, says: str):
    async with house(tmp_path) as made:
        with pytest.raises(Refused, match=says):
            await made.speech.choose(name)
        assert await made.speech.provider() == "piper"


async def test_the_status_names_who_is_asked_next(tmp_path: Path):
    async with house(tmp_path) as made:
        made.elevenlabs.why = "no key"
        await made.speech.choose("openai")
        await made.speech.set_automatic(is_on=True)
        assert msgspec.to_builtins(await made.speech.status()) == {
            "enabled": True,
            "auto": "always",
            "provider": "openai",
            "fallbackProvider": "piper",
            "fallbackProviders": ["piper", "espeak-ng"],
            "prefsPath": "carapace.db",
            "hasOpenAIKey": True,
            "hasElevenLabsKey": False,
            "edgeEnabled": False,
        }


async def test_the_list_begins_as_that_of_the_node_gateway(tmp_path: Path):
    async with house(tmp_path) as made:
        made.openai.why = "no key"
        told = msgspec.json.decode(msgspec.json.encode(await made.speech.providers()))
    names = ["openai", "elevenlabs", "edge", "piper", "espeak-ng"]
    assert [one["id"] for one in told["providers"]] == names
    assert [one["configured"] for one in told["providers"]] == [False, True, False, True, True]
    assert told["providers"][0]["voices"] == ["alloy"]
    assert "voices" not in told["providers"][1]
    assert told["active"] == "piper"


async def test_a_recording_is_in_the_store_under_the_path_that_is_told(tmp_path: Path):
    async with house(tmp_path) as made:
        recording = await made.speech.convert("  Hello.  ")
        assert (recording.provider, recording.format, recording.is_voice) == ("piper", "wav", False)
        assert await made.store.read(recording.media_id, max_bytes=10_000) == wav()
        assert made.speech.path_of(recording).read_bytes() == wav()
        assert made.piper.heard == ["Hello."]
        as_voice = await made.speech.convert("x", channel="Telegram")
        assert as_voice.is_voice


async def test_nothing_and_too_much_is_not_spoken(tmp_path: Path):
    async with house(tmp_path, SpeechSettings(max_text_length=10)) as made:
        with pytest.raises(Refused, match=r"^tts\.convert requires text$"):
            await made.speech.convert("  \n ")
        with pytest.raises(Refused, match="at most 10"):
            await made.speech.convert("x" * 11)


async def test_the_next_one_speaks_if_one_fails(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.speech.choose("openai")
        made.openai.why, made.piper.why = "down", "no voice"
        assert (await made.speech.convert("x")).provider == "espeak-ng"
        made.espeak.why = "gone"
        assert (await made.speech.convert("x")).provider == "elevenlabs"


async def test_what_was_to_stay_here_is_given_to_no_service(tmp_path: Path):
    async with house(tmp_path) as made:
        await made.speech.choose("piper")
        made.piper.why, made.espeak.why = "no voice", "gone"
        with pytest.raises(Failed, match="TTS conversion failed: piper: no voice"):
            await made.speech.convert("private words")
        assert made.openai.heard == made.elevenlabs.heard == []


async def test_what_is_no_sound_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("support.speech.wav", lambda: b"#!/bin/sh\necho")
    async with house(tmp_path) as made:
        with pytest.raises(Refused):
            await made.speech.convert("x")


async def test_nobody_is_waited_for_for_ever(tmp_path: Path):
    async with house(tmp_path, SpeechSettings(timeout_ms=1_000)) as made:
        settings = msgspec.structs.replace(made.settings, timeout_ms=0)
        made.speech._settings = lambda: settings
        with pytest.raises(Failed, match="in time"):
            await made.speech.convert("x")
