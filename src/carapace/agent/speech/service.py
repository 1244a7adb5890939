"""Who speaks, and the recordings that come of it, in the media store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from carapace.agent.speech.choice import Choices
from carapace.agent.speech.ports import NotSpoken, SpeechEngine, Spoken
from carapace.config.settings.speech import SpeechSettings
from carapace.errors import Failed, Refused
from carapace.media.store import MediaStore
from carapace.media.types import MediaKind
from carapace.protocol.tts import TtsEngine, TtsProviders, TtsStatus
from carapace.value import Value

__all__ = ["EDGE", "Recording", "Speech"]

EDGE: Final = "edge"
_AT_ONCE: Final = 2
_LISTED: Final = ("openai", "elevenlabs", EDGE)
"""The order of the Node gateway; engines that it has not come behind these."""
_VOICE_CHANNELS: Final = frozenset({"telegram", "whatsapp", "zalo"})
_AUDIO: Final = frozenset({MediaKind.AUDIO})
_NO_EDGE: Final = (
    "The provider edge is not offered: it would send every text to a service that nobody here has "
    "an agreement with. Use openai, elevenlabs, piper, or espeak-ng."
)


class Recording(Value, frozen=True):
    """A recording in the media store: its id, and who spoke in which form."""

    media_id: str
    provider: str
    format: str
    is_voice: bool


class Speech:
    """Speaks.

    Args:
        engines: Who can, the preferred one first.
        settings: `messages.tts`, as they are now.
        choices: What people chose.
        store: Where recordings go.
        media_root: Where that is, for those who may know.
        prefs_path: What is said about where the choice is kept.
    """

    def __init__(
        self,
        engines: Sequence[SpeechEngine],
        settings: Callable[[], SpeechSettings],
        *,
        choices: Choices,
        store: MediaStore,
        media_root: Path,
        prefs_path: str,
    ) -> None:
        self._engines = {engine.id: engine for engine in engines}
        self._settings = settings
        self._choices = choices
        self._store = store
        self._media_root = media_root
        self._prefs_path = prefs_path
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def is_automatic(self) -> bool:
        """Whether answers are spoken by themselves."""
        chosen = (await self._choices.get()).auto
        return (chosen or self._settings().auto) == "always"

    async def set_automatic(self, *, is_on: bool) -> None:
        """Speak answers, or not; stands above the settings.

        Raises:
            Failed: If it could not be kept.
        """
        await self._choices.set_auto("always" if is_on else "off")

    async def choose(self, provider: str) -> str:
        """Let `provider` speak from now on; its id.

        Raises:
            Refused: If there is none of that name, or it is not offered.
            Failed: If it could not be kept.
        """
        wanted = provider.strip().lower()
        if wanted == EDGE:
            raise Refused(_NO_EDGE)
        if wanted not in self._engines:
            raise Refused("Invalid provider. Use openai, elevenlabs, piper, or espeak-ng.")
        await self._choices.set_provider(wanted)
        return wanted

    async def provider(self) -> str:
        """Who speaks: as chosen, as set, or the first that can."""
        chosen = (await self._choices.get()).provider or self._settings().provider
        if chosen in self._engines:
            return chosen
        able = (one.id for one in self._engines.values() if one.trouble() is None)
        return next(able, next(iter(self._engines)))

    async def status(self) -> TtsStatus:
        """How things stand."""
        provider = await self.provider()
        is_on = await self.is_automatic()
        others = [one.id for one in self._order(provider)[1:]]
        return TtsStatus(
            enabled=is_on,
            auto="always" if is_on else "off",
            provider=provider,
            fallback_provider=others[0] if others else None,
            fallback_providers=others,
            prefs_path=self._prefs_path,
            has_open_ai_key=self._can("openai"),
            has_eleven_labs_key=self._can("elevenlabs"),
            edge_enabled=False,
        )

    async def providers(self) -> TtsProviders:
        """Everybody who could speak, and whether they can."""
        found = {
            one.id: TtsEngine(
                id=one.id,
                name=one.name,
                configured=one.trouble() is None,
                models=one.models,
                **({"voices": one.voices} if one.voices else {}),
            )
            for one in self._engines.values()
        }
        found[EDGE] = TtsEngine(id=EDGE, name="Edge TTS", configured=False, models=())
        names = [*_LISTED, *(name for name in found if name not in _LISTED)]
        return TtsProviders([found[name] for name in names], await self.provider())

    async def convert(self, text: str, *, channel: str | None = None) -> Recording:
        """A recording of `text`. It has no owner yet: see `MediaStore.put_stream`.

        Args:
            text: What is said.
            channel: For which chat service; those with voice messages get their form.

        Raises:
            Refused: If there is nothing to say, or too much.
            Failed: If nobody could; the first one's reason.
        """
        said, settings = text.strip(), self._settings()
        if not said:
            raise Refused("tts.convert requires text")
        if len(said) > settings.max_text_length:
            raise Refused(
                f"The text has {len(said)} characters; at most {settings.max_text_length} are "
                "spoken (messages.tts.maxTextLength). Give it less."
            )
        timeout_s = settings.timeout_ms / 1000
        try:
            async with asyncio.timeout(timeout_s * 2):
                engine, spoken = await self._speak(said, channel, timeout_s)
        except TimeoutError:
            raise Failed("Nobody spoke in time; try again later.", retryable=True) from None
        item = await self._store.put_bytes(spoken.data, accept=_AUDIO, source="tts")
        return Recording(item.id, engine.id, spoken.format, spoken.is_voice)

    async def _speak(
        self, text: str, channel: str | None, timeout_s: float
    ) -> tuple[SpeechEngine, Spoken]:
        first: str | None = None
        as_voice = (channel or "").strip().lower() in _VOICE_CHANNELS
        async with self._slots:
            for engine in self._order(await self.provider()):
                try:
                    spoken = await engine.speak(text, as_voice=as_voice, timeout_s=timeout_s)
                except NotSpoken as error:
                    first = first or f"{engine.id}: {error}"
                else:
                    return engine, spoken
        raise Failed(f"TTS conversion failed: {first}")

    def _order(self, provider: str) -> list[SpeechEngine]:
        """Who is asked: the provider, then others that can.

        What was meant to stay on this machine is never given to a service instead.
        """
        chosen = self._engines[provider]
        return [
            chosen,
            *(
                one
                for one in self._engines.values()
                if one is not chosen
                and one.trouble() is None
                and (one.is_local or not chosen.is_local)
            ),
        ]

    def path_of(self, recording: Recording) -> Path:
        """Where the file of a recording is on this machine."""
        shard = recording.media_id[2:4]
        return self._media_root / shard / recording.media_id

    def _can(self, name: str) -> bool:
        return self._engines[name].trouble() is None
