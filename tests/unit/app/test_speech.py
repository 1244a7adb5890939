"""Speech is wired to the keys and programs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from carapace.agent.providers.registry import ProviderRegistry
from carapace.agent.skills.programs import Programs
from carapace.app.speech import build_speech
from carapace.config.settings import Settings
from support.clock import FakeClock
from support.database import memory_database
from support.egress import make_egress
from support.media import media_store
from support.providers import plain_client
from support.skills import make_program


async def configured(tmp_path: Path, settings: dict[str, Any], **variables: str) -> dict[str, bool]:
    clock = FakeClock()
    made = msgspec.convert(settings, Settings)
    async with memory_database() as database, media_store(tmp_path, database, clock) as store:
        speech = build_speech(
            lambda: made,
            providers=ProviderRegistry(
                models=made.models,
                agents=made.agents,
                env=variables,
                http_client=plain_client,
                clock=clock,
            ),
            variables=lambda: variables,
            egress=make_egress(tmp_path)[0],
            programs=Programs(str(tmp_path / "bin"), clock),
            store=store,
            media_root=tmp_path,
            database=database,
            database_name="carapace.db",
            clock=clock,
        )
        told = await speech.providers()
    return {one.id: one.configured for one in told.providers}


async def test_without_keys_and_programs_nobody_can_speak(tmp_path: Path):
    assert not any((await configured(tmp_path, {})).values())


async def test_keys_come_from_speech_then_the_provider_then_the_environment(tmp_path: Path):
    make_program(tmp_path / "bin", "espeak-ng")
    own = {"messages": {"tts": {"openai": {"apiKey": "k"}, "elevenlabs": {"voiceId": "v"}}}}
    found = await configured(tmp_path, own, XI_API_KEY="k")
    assert found == {
        "openai": True,
        "elevenlabs": True,
        "edge": False,
        "piper": False,
        "espeak-ng": True,
    }
    assert (await configured(tmp_path, {}, OPENAI_API_KEY="k"))["openai"]
