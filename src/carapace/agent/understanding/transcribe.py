"""Who listens to recordings: providers that speak OpenAI's format, or the engine here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import httpx2
import msgspec

from carapace.agent.budget import Reservation
from carapace.agent.pricing import Price
from carapace.agent.providers.faults import error_from_status, parse_retry_after
from carapace.agent.providers.ports import Usage
from carapace.agent.providers.sdk import unreachable
from carapace.agent.providers.spec import Api, HttpClientFactory, ProviderSpec
from carapace.agent.understanding.charges import Charges
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.ports import Asker, NotUnderstood, Transcriber, Transcript
from carapace.agent.understanding.wire import Job
from carapace.agent.usage import Priced, RunUsage
from carapace.clock import Clock
from carapace.config.settings.understanding import AudioReading
from carapace.errors import Refused
from carapace.value import Value

__all__ = [
    "DEFAULT_MODEL",
    "Heard",
    "LocalTranscriber",
    "OpenAiTranscriber",
    "Payee",
    "Transcribers",
]

DEFAULT_MODEL: Final = "gpt-4o-mini-transcribe"
_OFFICIAL_URL: Final = "https://api.openai.com/v1"
_HTTP_OK: Final = 200
_OPENAI_APIS: Final = frozenset({Api.OPENAI_COMPLETIONS, Api.OPENAI_RESPONSES})
_BYTES_PER_TOKEN: Final = 200  # speech at 16 kbit/s, ten tokens a second
_CHARS_PER_TOKEN: Final = 3
# Servers tell the format by the name's ending; the sender's own name is none of their business.
_ENDINGS: Final = {
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "webm",
}


class Heard(Value, frozen=True):
    """What was said, and whether it is likely to be misheard."""

    text: str
    is_rough: bool


class Payee(Value, frozen=True):
    """See `carapace.agent.usage.Priced`."""

    provider_name: str
    model_id: str
    pricing: Price | None


class _Answer(msgspec.Struct):
    """The answer of `/audio/transcriptions` with `response_format` json."""

    text: str
    usage: msgspec.Raw = msgspec.Raw(b"{}")


_Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class _Used(msgspec.Struct):
    """Its `usage`. Models that are paid by the minute say seconds instead."""

    input_tokens: _Tokens = 0
    output_tokens: _Tokens = 0


class OpenAiTranscriber:
    """Asks a server for `POST /audio/transcriptions`; one try, no state.

    Args:
        spec: The provider: its address and key.
        model: The vendor's name.
        http_client: Makes its guarded client.
        clock: To measure `Retry-After` dates against.

    Attributes:
        is_rough: See `Transcriber`.
        payee: The provider, at the price that is set for this model of it.
    """

    is_rough = False

    def __init__(
        self, spec: ProviderSpec, model: str, *, http_client: HttpClientFactory, clock: Clock
    ) -> None:
        self.payee = Payee(spec.name, model, spec.model(model).price)
        self._spec = spec
        self._model = model
        self._http_client = http_client
        self._clock = clock

    async def transcribe(
        self, data: bytes, content_type: str, *, language: str | None, timeout_s: float
    ) -> Transcript:
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
        return self._transcript(response)

    def _transcript(self, response: Any) -> Transcript:
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
            answer = msgspec.json.decode(content, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text = f"was not heard: {self._spec.name} gave an answer without a transcript"
            raise NotUnderstood(text) from error
        return Transcript(answer.text, _usage(answer.usage))

    def _headers(self) -> dict[str, str]:
        key = {"authorization": f"Bearer {self._spec.api_key}"} if self._spec.api_key else {}
        return {**key, **self._spec.headers}


def _usage(raw: msgspec.Raw) -> Usage:
    """What it took, if it is said in tokens; a transcript is none the worse without."""
    try:
        used = msgspec.json.decode(raw, type=_Used)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Usage()
    return Usage(input=used.input_tokens, output=used.output_tokens)


class LocalTranscriber:
    """The speech engine of this machine, in the confined child.

    Args:
        child: Runs it.
        model_dir: Folder of a faster-whisper model; None takes the small engine.

    Attributes:
        is_rough: See `Transcriber`.
        payee: Nobody.
    """

    payee = None

    def __init__(self, child: ChildReader, model_dir: str | None) -> None:
        self._child = child
        self._model_dir = model_dir
        self.is_rough = model_dir is None

    async def transcribe(
        self, data: bytes, content_type: str, *, language: str | None, timeout_s: float
    ) -> Transcript:
        """See `Transcriber`."""
        del content_type  # the engine looks for itself
        job = Job("speech", max_chars=200_000, language=language, model_dir=self._model_dir)
        return Transcript((await self._child.read(data, job, timeout_s=timeout_s)).text)


class Transcribers:
    """Chooses who listens, and asks the next one if that fails.

    Args:
        sources: Every configured provider, best first.
        http_client: Makes the guarded client of one.
        child: Runs the engine here.
        clock: For the providers.
        charges: Pays those who cost something.
        speech_dir: Folder of the speech model that was fetched, if one was.
    """

    def __init__(
        self,
        sources: Callable[[], Sequence[ProviderSpec]],
        *,
        http_client: HttpClientFactory,
        child: ChildReader,
        clock: Clock,
        charges: Charges,
        speech_dir: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._sources = sources
        self._http_client = http_client
        self._child = child
        self._clock = clock
        self._charges = charges
        self._speech_dir = speech_dir

    async def transcribe(
        self, data: bytes, content_type: str, settings: AudioReading, asker: Asker
    ) -> Heard:
        """What is said in a recording.

        Raises:
            NotUnderstood: If nobody could tell; the first one's reason.
        """
        first: NotUnderstood | None = None
        for one in self.chosen(settings):
            try:
                text = await self._said(one, data, content_type, settings, asker)
                return Heard(text, one.is_rough)
            except NotUnderstood as error:
                # A better hint than that of a provider nobody configured for this.
                first = first or error
        raise first or NotUnderstood(
            "needs somebody who listens: none of tools.media.audio.models is a provider with "
            "OpenAI's format that has a key or an address",
            outcome="missing",
        )

    async def _said(
        self,
        one: Transcriber,
        data: bytes,
        content_type: str,
        settings: AudioReading,
        asker: Asker,
    ) -> str:
        """What `one` heard, paid for where it costs something."""
        used = RunUsage()
        payee, reserved = one.payee, None
        if payee is not None:
            reserved = await self._reserve(payee, len(data), settings, asker)
        try:
            said = await one.transcribe(
                data,
                content_type,
                language=settings.language,
                timeout_s=float(settings.timeout_seconds),
            )
            if payee is not None and reserved is not None:
                reserved.settle(said.usage, used.add(payee, said.usage))
        finally:
            if reserved is not None:
                reserved.release()
            await self._charges.record(used, asker, "recording")
        return said.text

    async def _reserve(
        self, payee: Priced, n_bytes: int, settings: AudioReading, asker: Asker
    ) -> Reservation:
        try:
            return await self._charges.reserve(
                asker,
                input_tokens=n_bytes // _BYTES_PER_TOKEN,
                max_output_tokens=settings.max_chars // _CHARS_PER_TOKEN,
                price=payee.pricing,
            )
        except Refused as error:
            raise NotUnderstood(f"was not heard: {error.message}", outcome="refused") from error

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
