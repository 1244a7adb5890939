"""Speech: who can speak here, with which keys, and where recordings go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from carapace.agent.providers.egress import provider_clients
from carapace.agent.providers.registry import ProviderRegistry
from carapace.agent.skills.programs import Programs
from carapace.agent.speech.choice import Choices
from carapace.agent.speech.command import EspeakEngine, PiperEngine
from carapace.agent.speech.service import Speech
from carapace.agent.speech.web import ElevenLabsEngine, OpenAiEngine, Source
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.config.settings.speech import SpeechSettings
from carapace.media.store import MediaStore
from carapace.net.client import Egress
from carapace.store.ports import Database

__all__ = ["build_speech"]


def build_speech(
    settings: Callable[[], Settings],
    *,
    providers: ProviderRegistry,
    variables: Callable[[], Mapping[str, str]],
    egress: Egress,
    programs: Programs,
    store: MediaStore,
    media_root: Path,
    database: Database,
    database_name: str,
    clock: Clock,
) -> Speech:
    """Everybody who could speak, those of this machine first.

    Args:
        settings: The settings as they are now.
        providers: Has OpenAI's key where speech has none of its own.
        variables: Where ElevenLabs' key may be.
        egress: The way to services.
        programs: Which engines are installed.
        store: Where recordings go.
        media_root: Where that is.
        database: Keeps what people chose.
        database_name: What is said about where that is.
        clock: The time.
    """

    def now() -> SpeechSettings:
        return settings().messages.tts

    def openai() -> Source:
        own = now().openai
        if own.api_key is not None or own.base_url is not None:
            return Source(own.base_url, own.api_key)
        found = next((one for one in providers.sources() if one.name == "openai"), None)
        return Source(None, None) if found is None else Source(found.base_url, found.api_key)

    def elevenlabs() -> Source:
        own, found = now().elevenlabs, variables()
        key = own.api_key or found.get("ELEVENLABS_API_KEY") or found.get("XI_API_KEY")
        return Source(own.base_url, key)

    clients = provider_clients(egress)
    return Speech(
        (
            PiperEngine(lambda: now().piper, programs.find),
            EspeakEngine(lambda: now().espeak, programs.find),
            OpenAiEngine(lambda: now().openai, openai, clients),
            ElevenLabsEngine(lambda: now().elevenlabs, elevenlabs, clients),
        ),
        now,
        choices=Choices(database, clock),
        store=store,
        media_root=media_root,
        prefs_path=database_name,
    )
