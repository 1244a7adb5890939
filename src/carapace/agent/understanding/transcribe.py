"""Who listens to recordings: providers that speak OpenAI's format, or the engine here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec

from carapace.agent.providers.faults import error_from_status, parse_retry_after
from carapace.agent.providers.sdk import unreachable
from carapace.agent.providers.spec import Api, HttpClientFactory, ProviderSpec
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.ports import NotUnderstood, Transcriber
from carapace.agent.understanding.wire import Job
from carapace.clock import Clock
from carapace.config.settings.understanding import AudioReading

__all__ = ["DEFAULT_MODEL", "Heard", "LocalTranscriber", "OpenAiTranscriber", "Transcribers"]

DEFAULT_MODEL: Final = "gpt-4o-mini-transcribe"
_OFFICIAL_URL: Final = "https://api.openai.com/v1"
_HTTP_OK: Final = 200
_OPENAI_APIS: Final = frozenset({Api.OPENAI_COMPLETIONS, Api.OPENAI_RESPONSES})
# Servers tell the format by the name's ending; the sender's own name is none of their business.
_ENDINGS: Final = {
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "webm",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said, and whether it is likely to be misheard."""

    text: str
    is_rough: bool


class _Transcript(msgspec.Struct):
    """The answer of `/audio/transcriptions` with `response_format` json."""

    text: str


class OpenAiTranscriber:
    """Asks a server for `POST /audio/transcriptions`; one try, no state.

    Args:
        spec: The provider: its address and key.
        model: The vendor's name.
        http_client: Makes its guarded client.
        clock: To measure `Retry-After` dates against.

    Attributes:
        is_rough: See `Transcriber`.
    """

    is_rough = False

    def __init__(
        self, spec: ProviderSpec, model: str, *, http_client: HttpClientFactory, clock: Clock
    ) -> None:
        self._spec = spec
        self._model = model
        self._http_client = http_client
        self._clock = clock

    async def transcribe(
        self, data: bytes, content_type: str, *, language: str | None, timeout_s: float
    ) -> str:
        """See `Transcriber`."""
        ending = _ENDINGS.get(content_type)
        if ending is None:
            raise NotUnderstood("is in a format that nobody here can hear", outcome="refused")
        form = {"model": self._model, "response_format": "json"}
        if language:
            form["language"] = language
        url = f"{(self._spec.base_url or _OFFICIAL_URL).rstrip('/')}/audio/transcriptions"
        try:
            async with asyncio.timeout(timeout_s), self._http_client(self._spec) as client:
                response: Any = await client.post(
                    url,
                    data=form,
                    files={"file": (f"recording.{ending}", data, content_type)},
                    headers=self._headers(),
                )
        except (httpx2.TimeoutException, TimeoutError):
            raise NotUnderstood("was not heard in time", outcome="timeout") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            told = unreachable(error, self._spec.base_url, self._spec.secrets())
            raise NotUnderstood(f"was not heard: {told.message}") from error
        return self._text(response)

    def _text(self, response: Any) -> str:
        content: bytes = response.content
        if response.status_code != _HTTP_OK:
            told = error_from_status(
                response.status_code,
                content,
                retry_after_s=parse_retry_after(
                    response.headers.get("retry-after"), now=self._clock.now()
                ),
                secrets=self._spec.secrets(),
            )
            raise NotUnderstood(f"was not heard: {told.message}")
        try:
            return msgspec.json.decode(content, type=_Transcript).text
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text = f"was not heard: {self._spec.name} gave an answer without a transcript"
            raise NotUnderstood(text) from error

    def _headers(self) -> dict[str, str]:
        key = {"authorization": f"Bearer {self._spec.api_key}"} if self._spec.api_key else {}
        return {**key, **self._spec.headers}


class LocalTranscriber:
    """The speech engine of this machine, in the confined child.

    Args:
        child: Runs it.
        model_dir: Folder of a faster-whisper model; None takes the small engine.

    Attributes:
        is_rough: See `Transcriber`.
    """

    def __init__(self, child: ChildReader, model_dir: str | None) -> None:
        self._child = child
        self._model_dir = model_dir
        self.is_rough = model_dir is None

    async def transcribe(
        self, data: bytes, content_type: str, *, language: str | None, timeout_s: float
    ) -> str:
        """See `Transcriber`."""
        del content_type  # the engine looks for itself
        job = Job("speech", max_chars=200_000, language=language, model_dir=self._model_dir)
        return (await self._child.read(data, job, timeout_s=timeout_s)).text


class Transcribers:
    """Chooses who listens, and asks the next one if that fails.

    Args:
        sources: Every configured provider, best first.
        http_client: Makes the guarded client of one.
        child: Runs the engine here.
        clock: For the providers.
        speech_dir: Folder of the speech model that was fetched, if one was.
    """

    def __init__(
        self,
        sources: Callable[[], Sequence[ProviderSpec]],
        *,
        http_client: HttpClientFactory,
        child: ChildReader,
        clock: Clock,
        speech_dir: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._sources = sources
        self._http_client = http_client
        self._child = child
        self._clock = clock
        self._speech_dir = speech_dir

    async def transcribe(self, data: bytes, content_type: str, settings: AudioReading) -> Heard:
        """What is said in a recording.

        Raises:
            NotUnderstood: If nobody could tell; the first one's reason.
        """
        first: NotUnderstood | None = None
        for one in self.chosen(settings):
            try:
                text = await one.transcribe(
                    data,
                    content_type,
                    language=settings.language,
                    timeout_s=float(settings.timeout_seconds),
                )
                return Heard(text, one.is_rough)
            except NotUnderstood as error:
                # A better hint than that of a provider nobody configured for this.
                first = first or error
        raise first or NotUnderstood(
            "needs somebody who listens: none of tools.media.audio.models is a provider with "
            "OpenAI's format that has a key or an address",
            outcome="missing",
        )

    def chosen(self, settings: AudioReading) -> list[Transcriber]:
        """Those who are asked, in order.

        As set; else the speech model here, OpenAI's service, the small engine: it mishears
        much and comes last.
        """
        sources = {spec.name: spec for spec in self._sources() if spec.api in _OPENAI_APIS}
        if settings.models:
            return [
                self._provider(sources[row.provider], row.model)
                for row in settings.models
                if row.provider in sources
            ]
        found: list[Transcriber] = []
        folder = settings.local_model or self._speech_dir()
        if folder is not None:
            found.append(LocalTranscriber(self._child, str(folder)))
        openai = sources.get("openai")
        if openai is not None and openai.api_key:
            found.append(self._provider(openai, None))
        return [*found, LocalTranscriber(self._child, None)]

    def _provider(self, spec: ProviderSpec, model: str | None) -> OpenAiTranscriber:
        return OpenAiTranscriber(
            spec, model or DEFAULT_MODEL, http_client=self._http_client, clock=self._clock
        )
