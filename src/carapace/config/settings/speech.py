"""`messages.tts.*`: answers as recordings."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Name, PositiveInt, Section, setting

__all__ = [
    "ElevenLabsSettings",
    "EspeakSettings",
    "OpenAiSpeechSettings",
    "PiperSettings",
    "SpeechSettings",
]

_Voice = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]{0,63}$(?!\n)")]


class EspeakSettings(Section, frozen=True):
    """espeak-ng, a program of this machine."""

    voice: Annotated[
        _Voice, setting("Language or voice, as in `espeak-ng --voices`.", live=True)
    ] = "en"
    words_per_minute: Annotated[
        Annotated[int, msgspec.Meta(ge=80, le=450)], setting("How fast it speaks.", live=True)
    ] = 165


class PiperSettings(Section, frozen=True):
    """piper, a program of this machine."""

    command: Annotated[
        Name, setting("Its program: a name in the PATH, or a path.", live=True, program=True)
    ] = "piper"
    voice: Annotated[
        Name | None,
        setting("Path of the voice, an .onnx file; off without.", live=True),
    ] = None


class OpenAiSpeechSettings(Section, frozen=True):
    """OpenAI's service."""

    api_key: Annotated[
        str | None,
        setting("The key; without it that of the provider `openai`.", live=True, secret=True),
    ] = None
    base_url: Annotated[
        Name | None, setting("Another server that speaks its format.", live=True)
    ] = None
    model: Annotated[Name, setting("Which model speaks.", live=True)] = "gpt-4o-mini-tts"
    voice: Annotated[Name, setting("Which voice.", live=True)] = "alloy"


class ElevenLabsSettings(Section, frozen=True):
    """ElevenLabs' service."""

    api_key: Annotated[
        str | None,
        setting("The key; without it ELEVENLABS_API_KEY counts.", live=True, secret=True),
    ] = None
    base_url: Annotated[Name | None, setting("Another address of it.", live=True)] = None
    voice_id: Annotated[
        _Voice | None, setting("Which voice, by its id; it does not speak without.", live=True)
    ] = None
    model_id: Annotated[Name, setting("Which model speaks.", live=True)] = "eleven_multilingual_v2"


class SpeechSettings(Section, frozen=True):
    """Answers as recordings."""

    auto: Annotated[
        Literal["off", "always", "inbound", "tagged"],
        setting(
            "`always` sends a recording after each answer to a chat service that takes files. "
            "What `tts.enable` and `tts.disable` said stands above this. `inbound` and `tagged` "
            "of the Node gateway count as `off`.",
            live=True,
        ),
    ] = "off"
    provider: Annotated[
        Literal["piper", "espeak-ng", "openai", "elevenlabs", "edge"] | None,
        setting(
            "Who speaks; without it the first that can: piper, espeak-ng, OpenAI, ElevenLabs. What "
            "`tts.setProvider` said stands above this. `edge` of the Node gateway is not offered "
            "and counts as not said.",
            live=True,
        ),
    ] = None
    max_text_length: Annotated[
        PositiveInt,
        setting("Characters that are spoken at most; longer texts are not.", live=True),
    ] = 4_096
    timeout_ms: Annotated[
        Annotated[int, msgspec.Meta(ge=1_000, le=120_000)],
        setting("How long a recording may take, in milliseconds.", live=True),
    ] = 30_000
    espeak: Annotated[EspeakSettings, setting("espeak-ng.", live=True)] = msgspec.field(
        default_factory=EspeakSettings
    )
    piper: Annotated[PiperSettings, setting("piper.", live=True)] = msgspec.field(
        default_factory=PiperSettings
    )
    openai: Annotated[OpenAiSpeechSettings, setting("OpenAI.", live=True)] = msgspec.field(
        default_factory=OpenAiSpeechSettings
    )
    elevenlabs: Annotated[ElevenLabsSettings, setting("ElevenLabs.", live=True)] = msgspec.field(
        default_factory=ElevenLabsSettings
    )
