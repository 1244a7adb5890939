"""Engines that are services: OpenAI's (and what speaks its format) and ElevenLabs'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httpx2

from carapace.agent.providers.faults import error_from_status
from carapace.agent.providers.sdk import unreachable
from carapace.agent.providers.spec import Api, HttpClientFactory, ProviderSpec
from carapace.agent.speech.ports import MAX_AUDIO_BYTES, NotSpoken, Spoken
from carapace.config.settings.speech import ElevenLabsSettings, OpenAiSpeechSettings
from carapace.value import Value

__all__ = ["ElevenLabsEngine", "OpenAiEngine", "Source"]

_OPENAI_URL: Final = "https://api.openai.com/v1"
_ELEVENLABS_URL: Final = "https://api.elevenlabs.io"
_HTTP_OK: Final = 200


class Source(Value, frozen=True):
    """Where a service is and what it wants: address (None is the vendor's own) and key."""

    base_url: str | None
    api_key: str | None


class OpenAiEngine:
    """`POST /audio/speech`.

    Args:
        settings: `messages.tts.openai`, as they are now.
        source: Address and key, from there or from the provider of that name.
        http_client: Makes the guarded client.
    """

    id = "openai"
    name = "OpenAI"
    is_local = False
    models = ("gpt-4o-mini-tts", "tts-1", "tts-1-hd")
    voices = ("alloy", "ash", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer")

    def __init__(
        self,
        settings: Callable[[], OpenAiSpeechSettings],
        source: Callable[[], Source],
        http_client: HttpClientFactory,
    ) -> None:
        self._settings = settings
        self._source = source
        self._http_client = http_client

    def trouble(self) -> str | None:
        """See `SpeechEngine`."""
        source = self._source()
        if source.api_key or source.base_url:
            return None
        return "OpenAI needs a key: set messages.tts.openai.apiKey or OPENAI_API_KEY"

    async def speak(self, text: str, *, as_voice: bool, timeout_s: float) -> Spoken:
        """See `SpeechEngine`; MP3, or Opus as a voice message."""
        source, settings = self._source(), self._settings()
        if trouble := self.trouble():
            raise NotSpoken(trouble)
        format_ = "opus" if as_voice else "mp3"
        body = {
            "model": settings.model,
            "voice": settings.voice,
            "input": text,
            "response_format": format_,
        }
        spec = _spec("openai", source, _OPENAI_URL)
        headers = {"authorization": f"Bearer {source.api_key}"} if source.api_key else {}
        url = f"{spec.base_url}/audio/speech"
        data = await _post(self._http_client, spec, url, body, headers, timeout_s=timeout_s)
        return Spoken(data, format_, is_voice=as_voice)


class ElevenLabsEngine:
    """`POST /v1/text-to-speech/{voice}`.

    Args:
        settings: `messages.tts.elevenlabs`, as they are now.
        source: Address and key.
        http_client: Makes the guarded client.
    """

    id = "elevenlabs"
    name = "ElevenLabs"
    is_local = False
    models = ("eleven_multilingual_v2", "eleven_turbo_v2_5", "eleven_monolingual_v1")
    voices: tuple[str, ...] = ()

    def __init__(
        self,
        settings: Callable[[], ElevenLabsSettings],
        source: Callable[[], Source],
        http_client: HttpClientFactory,
    ) -> None:
        self._settings = settings
        self._source = source
        self._http_client = http_client

    def trouble(self) -> str | None:
        """See `SpeechEngine`."""
        if not self._source().api_key:
            return "ElevenLabs needs a key: messages.tts.elevenlabs.apiKey or ELEVENLABS_API_KEY"
        if self._settings().voice_id is None:
            return "ElevenLabs needs a voice: set messages.tts.elevenlabs.voiceId"
        return None

    async def speak(self, text: str, *, as_voice: bool, timeout_s: float) -> Spoken:
        """See `SpeechEngine`; MP3, or Opus as a voice message."""
        source, settings = self._source(), self._settings()
        if trouble := self.trouble():
            raise NotSpoken(trouble)
        format_ = "opus_48000_64" if as_voice else "mp3_44100_128"
        spec = _spec("elevenlabs", source, _ELEVENLABS_URL)
        url = f"{spec.base_url}/v1/text-to-speech/{settings.voice_id}?output_format={format_}"
        body = {"text": text, "model_id": settings.model_id}
        headers = {"xi-api-key": str(source.api_key)}
        data = await _post(self._http_client, spec, url, body, headers, timeout_s=timeout_s)
        return Spoken(data, format_, is_voice=as_voice)


def _spec(name: str, source: Source, official_url: str) -> ProviderSpec:
    return ProviderSpec(
        name=f"speech.{name}",
        api=Api.OPENAI_COMPLETIONS,
        base_url=(source.base_url or official_url).rstrip("/"),
        api_key=source.api_key,
    )


async def _post(
    http_client: HttpClientFactory,
    spec: ProviderSpec,
    url: str,
    body: dict[str, str],
    headers: dict[str, str],
    *,
    timeout_s: float,
) -> bytes:
    """The recording that a service answers with.

    Raises:
        NotSpoken: If it does not.
    """
    try:
        async with asyncio.timeout(timeout_s), http_client(spec) as client:
            response: Any = await client.post(url, json=body, headers=headers)
    except (httpx2.TimeoutException, TimeoutError):
        raise NotSpoken(f"{spec.name} did not answer within {timeout_s:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        told = unreachable(error, spec.base_url, spec.secrets())
        raise NotSpoken(told.message) from error
    content: bytes = response.content
    if response.status_code != _HTTP_OK:
        told = error_from_status(response.status_code, content, secrets=spec.secrets())
        raise NotSpoken(told.message)
    if not content or len(content) > MAX_AUDIO_BYTES:
        raise NotSpoken(f"{spec.name} gave no recording, or one that is too long")
    return content
